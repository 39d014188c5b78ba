package custody

import (
	"strings"
	"testing"

	"github.com/boombuler/barcode/qr"
)

// What the terminal shows is the code, module by module, in its white margin.
func TestQRCode(t *testing.T) {
	t.Parallel()
	const uri = "otpauth://totp/Gridwatch%20county:seal1?algorithm=SHA1&digits=6&issuer=Gridwatch%20county&period=30&secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
	shown, err := qrCode(uri)
	if err != nil {
		t.Fatal(err)
	}
	want, err := qr.Encode(uri, qr.M, qr.Auto)
	if err != nil {
		t.Fatal(err)
	}
	size := want.Bounds().Dx()
	for y, line := range strings.Split(strings.TrimSpace(shown), "\n") {
		line = strings.TrimSuffix(strings.TrimPrefix(line, "\x1b[97;40m"), "\x1b[0m")
		if n := len([]rune(line)); n != size+8 {
			t.Fatalf("line %d has %d signs, want %d", y, n, size+8)
		}
		for x, sign := range []rune(line) {
			for half, white := range map[int]bool{0: sign == '█' || sign == '▀', 1: sign == '█' || sign == '▄'} {
				at := 2*y + half - 4
				dark := false
				if x >= 4 && at >= 0 && x-4 < size && at < size {
					r, _, _, _ := want.At(x-4, at).RGBA()
					dark = r == 0
				}
				if white == dark {
					t.Fatalf("module %d,%d is the other way round", x-4, at)
				}
			}
		}
	}
}
