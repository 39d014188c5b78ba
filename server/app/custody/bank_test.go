package custody

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"filippo.io/age"

	"gridwatch/server/vault"
)

// TestBankFileIsForThePayer: the file holds whom an award is paid to, the sum
// and the memo, for the payer's key alone, and is asked for whole or not at all.
func TestBankFileIsForThePayer(t *testing.T) {
	t.Parallel()
	payer, err := age.GenerateHybridIdentity()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "bank.age")
	in := opening{Payment: &payment{Number: "2026-AAAAA-BBBBB", Fen: 300_005, Memo: "安全生产专项支出"}}
	o := options{bank: path, bankTo: payer.Recipient().String()}
	if err := o.checkBank(in); err != nil {
		t.Fatal(err)
	}
	id := vault.Identity{Name: "who reported", IDNumber: "ID", PayeeName: "=演示", PayeeBank: "demo, bank", PayeeAccount: "0000 0000"}
	if err := o.writeBank(in, id); err != nil {
		t.Fatal(err)
	}
	file, err := os.ReadFile(path)
	if err != nil || bytes.Contains(file, []byte("0000 0000")) {
		t.Fatalf("the file is in clear, or %v", err)
	}
	r, err := age.Decrypt(bytes.NewReader(file), payer)
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(r)
	want := "award,payee,bank,account,yuan,memo\n2026-AAAAA-BBBBB,'=演示,\"demo, bank\",0000 0000,3000.05,安全生产专项支出\n"
	if err != nil || string(text) != want {
		t.Errorf("got %q, %v, want %q", text, err, want)
	}

	for name, wrong := range map[string]struct {
		o  options
		in opening
	}{
		"is there already":      {o, in},
		"--bank-to RECIPIENT":   {options{bank: path + ".new"}, in},
		"--bank FILE":           {options{bankTo: o.bankTo}, in},
		"request to pay":        {options{bank: path + ".new", bankTo: o.bankTo}, opening{}},
		"payer's age recipient": {options{bank: path + ".new", bankTo: "age1"}, in},
	} {
		if err := wrong.o.checkBank(wrong.in); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("got %v, want an error with %q", err, name)
		}
	}
	if err := (options{}).checkBank(opening{}); err != nil {
		t.Errorf("without a bank's file: %v", err)
	}
}
