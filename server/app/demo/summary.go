package demo

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"gridwatch/server/casefile"
)

// Summary is what Load found or made.
type Summary struct {
	BaseURL string
	Dir     string // of the keys and sign-ins
	SignIns []SignIn
}

// WriteTo tells where the server is, who can sign in and what to try next.
func (s Summary) WriteTo(w io.Writer) (int64, error) {
	var b strings.Builder
	fmt.Fprintf(&b, "\nGridwatch demo at %s (made-up grids and people; never for production)\n\nSign-ins, by role:\n", s.BaseURL)
	fmt.Fprintf(&b, "  %-7s %-12s %-17s %-17s %s\n", "tenant", "login", "password", "role", "who")
	for _, role := range casefile.StaffRoles() {
		for _, in := range s.SignIns {
			if slices.Contains(in.Roles, role) {
				fmt.Fprintf(&b, "  %-7s %-12s %-17s %-17s %s\n", in.Tenant, in.Login, in.Password, role, in.Label)
			}
		}
	}
	if root, err := Fingerprint(s.Dir, Tenant); err == nil {
		fmt.Fprintf(&b, "\nThe page that seals a report in the browser and sends it:\n  %s/report/#tenant=%s&root=%s\n", s.BaseURL, Tenant, strings.ReplaceAll(root, " ", ""))
	}
	b.WriteString("\nWhat to try next, in another terminal:\n")
	for _, line := range s.tries() {
		b.WriteString("  " + line + "\n")
	}
	n, err := io.WriteString(w, b.String())
	return int64(n), err
}

// tries are command lines that work as they stand.
func (s Summary) tries() []string {
	password := ""
	for _, in := range s.SignIns {
		if in.Tenant == Tenant && in.Login == "desk1" {
			password = in.Password
		}
	}
	return []string{
		"make demo                      # plays one case from report to paid reward",
		"make demo FINE=2500000         # the same with another fine, in yuan; FINE=100000,30000 fines a unit and a person",
		fmt.Sprintf("curl -s %s/v1/public/%s", s.BaseURL, Tenant),
		"KEY=$(head -c 16 /dev/urandom | od -An -tx1 | tr -d ' \\n')",
		fmt.Sprintf(`curl -s %s/v1/public/%s/reports -H "Idempotency-Key: $KEY" -F 'report={"mode":"anonymous",`+
			`"narrative":"gas bottles beside a stove","allegations":[{"matter":"illegal_act","text":"gas bottles stored indoors"}],`+
			`"targetText":"workshop by the bridge"};type=application/json'`, s.BaseURL, Tenant),
		fmt.Sprintf(`HALF=$(curl -s %s/v1/session -H 'Content-Type: application/json' -d '{"tenant":"%s","login":"desk1",`+
			`"password":"%s","device":"terminal-of-the-demo-1"}' | sed 's/.*"half":"\([^"]*\)".*/\1/')`, s.BaseURL, Tenant, password),
		fmt.Sprintf(`CODE=$(.stack/bin/server demo code %s desk1)    # what an authenticator app would show; each code is good once`, s.Dir),
		fmt.Sprintf(`TOKEN=$(curl -s %s/v1/session/second -H 'Content-Type: application/json' -d '{"half":"'$HALF'",`+
			`"device":"terminal-of-the-demo-1","code":"'$CODE'"}' | sed 's/.*"access":"\([^"]*\)".*/\1/')`, s.BaseURL),
		fmt.Sprintf(`curl -s %s/v1/office/reports -H "Authorization: Bearer $TOKEN"`, s.BaseURL),
	}
}
