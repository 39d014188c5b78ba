package custody

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"os"

	"gridwatch/server/vault"
)

// payment is what the server adds to a request to pay: all that the bank is
// told besides whom it pays.
type payment struct {
	Number string `json:"number"` // of the award
	Fen    int64  `json:"fen"`
	Memo   string `json:"memo"`
}

// checkBank makes sure, before anything is opened, that the bank's file can be
// written.
func (o options) checkBank(in opening) error {
	switch {
	case o.bank == "" && o.bankTo == "":
		return nil
	case o.bank == "" || o.bankTo == "":
		return errors.New("the bank's file takes both --bank FILE and --bank-to RECIPIENT")
	case in.Payment == nil:
		return errors.New("--bank is for a request to pay an award")
	}
	if _, err := os.Lstat(o.bank); err == nil {
		return fmt.Errorf("%s is there already: the bank's file is a new one", o.bank)
	}
	if err := vault.CheckRecipient(o.bankTo); err != nil {
		return errors.New("--bank-to is the payer's age recipient (age1pq1...)")
	}
	return nil
}

// writeBank (银行付款文件) writes whom an award is paid to, the sum and the memo
// as CSV to a file that the payer alone can read: two rings opened it, no
// server and no terminal of another had it.
func (o options) writeBank(in opening, id vault.Identity) error {
	if o.bank == "" {
		return nil
	}
	var text bytes.Buffer
	out := csv.NewWriter(&text)
	rows := [][]string{
		{"award", "payee", "bank", "account", "yuan", "memo"},
		{
			in.Payment.Number, cell(id.PayeeName), cell(id.PayeeBank), cell(id.PayeeAccount),
			fmt.Sprintf("%d.%02d", in.Payment.Fen/100, in.Payment.Fen%100), cell(in.Payment.Memo),
		},
	}
	if err := out.WriteAll(rows); err != nil {
		return errors.New("the bank's file cannot be written")
	}
	sealed, err := vault.SealFor(o.bankTo, text.Bytes())
	if err != nil {
		return err
	}
	return writeNew(o.bank, sealed)
}

// cell is a text that no spreadsheet takes for a formula.
func cell(text string) string {
	text = printable(text)
	if text != "" && bytes.ContainsRune([]byte("=+-@"), rune(text[0])) {
		return "'" + text
	}
	return text
}
