package reward

import (
	"fmt"
	"strings"
)

// Fen is an amount of money in whole fen (分), a hundredth of a yuan. Amounts
// are never held in any other form.
type Fen int64

// maxFen bounds every amount that comes in, and every sum of them: 10^15 fen
// leaves room in 64 bits for one multiplication by a number of persons.
const maxFen Fen = 1_000_000_000_000_000

// whole is 100 % in basis points.
const whole = 10_000

// String returns the amount in yuan with two decimals and grouped thousands,
// as "50,000.00".
func (f Fen) String() string {
	sign, yuan, fen := "", int64(f/100), int64(f%100)
	if f < 0 {
		sign, yuan, fen = "-", -yuan, -fen
	}
	digits := fmt.Sprint(yuan)
	var b strings.Builder
	for i, digit := range digits {
		if i > 0 && (len(digits)-i)%3 == 0 {
			b.WriteByte(',')
		}
		b.WriteRune(digit)
	}
	return fmt.Sprintf("%s%s.%02d", sign, b.String(), fen)
}

// percent returns rateBp basis points of f, half a fen rounded up. f is not
// negative and rateBp is at most whole, so nothing can overflow: the part of f
// above a multiple of whole is all that is ever rounded.
func (f Fen) percent(rateBp int) Fen {
	rate := Fen(rateBp)
	return f/whole*rate + (f%whole*rate+whole/2)/whole
}
