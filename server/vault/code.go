package vault

import (
	"math/big"
	"strings"
	"unicode"

	"gridwatch/server/fault"
)

const (
	codeDigits  = 25
	codeGroup   = 5
	maxCodeText = 128 // bytes; 25 full-width digits with separators are 99
)

// Code is a receipt code (查询码): 24 random digits and a check digit by
// ISO/IEC 7064 MOD 11,10; 79.7 bits. It is shown once and stored nowhere.
type Code struct {
	secret
	digits hidden[string]
}

// Reveal returns the code as it is shown to the reporter: five groups of five digits.
func (c Code) Reveal() string {
	groups := make([]string, 0, codeDigits/codeGroup)
	for i := 0; i < codeDigits; i += codeGroup {
		groups = append(groups, c.digits()[i:i+codeGroup])
	}
	return strings.Join(groups, " ")
}

// ParseCode reads a receipt code as people write it: spaces and dashes
// anywhere, full-width digits. It returns an Invalid Fault
// receipt.code_format if it is not 25 digits or the check digit is wrong, so
// that nearly all slips of the hand end here without a look-up.
func ParseCode(text string) (Code, error) {
	wrong := fault.New(fault.Invalid, "receipt.code_format",
		"a receipt code has %d digits, the last of which checks the others: compare it with the one you noted", codeDigits).At("/code")
	if len(text) > maxCodeText {
		return Code{}, wrong
	}
	var b strings.Builder
	for _, r := range text {
		switch {
		case r >= '0' && r <= '9':
			b.WriteRune(r)
		case r >= '０' && r <= '９':
			b.WriteRune(r - '０' + '0')
		case unicode.IsSpace(r) || unicode.Is(unicode.Pd, r):
		default:
			return Code{}, wrong
		}
	}
	digits := b.String()
	if len(digits) != codeDigits || checkDigit(digits[:codeDigits-1]) != digits[codeDigits-1] {
		return Code{}, wrong
	}
	return Code{digits: hide(digits)}, nil
}

// Code derives the receipt code of a submission under the receipt key of that
// id: the same key, tag and scope always give the same code. Scope begins with
// the tenant, so that one submission to two tenants has two codes. It returns
// ErrNoKey if the key is gone.
func (k *Keyring) Code(keyID string, key IdemKey, tag BodyTag, scope ...string) (Code, error) {
	derive, err := k.key(Receipt, keyID)
	if err != nil {
		return Code{}, err
	}
	sum := mac(derive, "gridwatch/receipt-code/1", append(texts(scope...), key.raw(), tag.sum())...)
	// 256 bits modulo 10^24: the bias is below 2^-176.
	n := new(big.Int).SetBytes(sum)
	n.Mod(n, new(big.Int).Exp(big.NewInt(10), big.NewInt(codeDigits-1), nil))
	digits := n.String()
	digits = strings.Repeat("0", codeDigits-1-len(digits)) + digits
	digits += string(checkDigit(digits))
	return Code{digits: hide(digits)}, nil
}

// LookupHashes returns what a report is found by when its code is shown,
// newest key first: store the first, look for all.
func (k *Keyring) LookupHashes(c Code) []string {
	return k.hashes(Lookup, "gridwatch/receipt-lookup/1", []byte(c.digits()))
}

// checkDigit returns the check digit of digits by ISO/IEC 7064 MOD 11,10.
func checkDigit(digits string) byte {
	p := 10
	for _, d := range []byte(digits) {
		s := (p + int(d-'0')) % 10
		if s == 0 {
			s = 10
		}
		p = s * 2 % 11
	}
	return byte('0' + (11-p)%10)
}
