package wire

import (
	"cmp"
	"encoding/hex"
	"fmt"
	"io"
	"log/slog"

	"gridwatch/server/casefile"
	"gridwatch/server/grid"
	"gridwatch/server/vault"
	"gridwatch/server/workflow"
)

// Report is the part report of a submission (schema report-submit).
type Report struct {
	Mode        casefile.Mode    `json:"mode"`
	Narrative   string           `json:"narrative"`
	Allegations []Allegation     `json:"allegations"`
	TargetText  string           `json:"targetText"`
	Target      *grid.Place      `json:"target,omitempty"` // where the matter is
	Stood       *grid.Place      `json:"stood,omitempty"`  // where the sender stood
	Identity    *Identity        `json:"identity,omitempty"`
	Contact     *Contact         `json:"contact,omitempty"`
	Sealed      *Sealed          `json:"sealed,omitempty"`
	Password    string           `json:"password,omitempty"` // to claim by code; "" for none
	Evidence    []DeclaredDigest `json:"evidence,omitempty"` // of the file parts, in order; nil declares nothing
}

// Allegation is one allegation (举报事项) in the sender's words.
type Allegation struct {
	Matter casefile.Matter `json:"matter"`
	Text   string          `json:"text"`
}

// DeclaredDigest is what a file part should have.
type DeclaredDigest struct {
	SHA256 string `json:"sha256"` // hex
}

// Identity is who reports, for the server to seal. It cannot be printed.
type Identity struct {
	Name         string         `json:"name"`
	IDNumber     string         `json:"idNumber,omitempty"`
	Employer     string         `json:"employer,omitempty"`
	Relation     vault.Relation `json:"relation,omitempty"` // "" is none
	PayeeName    string         `json:"payeeName,omitempty"`
	PayeeBank    string         `json:"payeeBank,omitempty"`
	PayeeAccount string         `json:"payeeAccount,omitempty"`
}

// Contact is how the reporter is reached, for the server to seal. It cannot be
// printed.
type Contact struct {
	Kind  string `json:"kind"` // phone, email, other
	Value string `json:"value"`
}

// Sealed says that the client sealed who reports.
type Sealed struct {
	InnerDigest string `json:"innerDigest"`     // SHA-256 of ring A's layer, hex
	Binding     string `json:"binding"`         // 128 random bits, hex
	Rings       int    `json:"rings,omitempty"` // version of the list of keys sealed to
}

const shown = "[sealed]"

// Format implements fmt.Formatter for every verb.
func (Identity) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, shown) }

// LogValue implements slog.LogValuer.
func (Identity) LogValue() slog.Value { return slog.StringValue(shown) }

// Format implements fmt.Formatter for every verb.
func (Contact) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, shown) }

// LogValue implements slog.LogValuer.
func (Contact) LogValue() slog.Value { return slog.StringValue(shown) }

// Digests are the declared digests of the file parts, nil if none were declared.
func (r Report) Digests() [][]byte {
	if r.Evidence == nil {
		return nil
	}
	sums := [][]byte{}
	for _, e := range r.Evidence {
		sums = append(sums, digest(e.SHA256))
	}
	return sums
}

// Submission returns what the report says. Who submits it, its files and its
// sealed parts are the caller's to add.
func (r Report) Submission() workflow.Submission {
	s := workflow.Submission{
		Mode: r.Mode, Narrative: r.Narrative, TargetText: r.TargetText, Target: r.Target, Stood: r.Stood, Password: r.Password,
	}
	for _, a := range r.Allegations {
		s.Allegations = append(s.Allegations, workflow.SubmittedAllegation{Matter: a.Matter, Text: a.Text})
	}
	if i := r.Identity; i != nil {
		s.Identity = &vault.Identity{
			Name: i.Name, IDNumber: i.IDNumber, Employer: i.Employer, Relation: cmp.Or(i.Relation, vault.RelationNone),
			PayeeName: i.PayeeName, PayeeBank: i.PayeeBank, PayeeAccount: i.PayeeAccount,
		}
	}
	if c := r.Contact; c != nil {
		s.Contact = &vault.Contact{Kind: c.Kind, Value: c.Value}
	}
	if c := r.Sealed; c != nil {
		s.Sealed = &workflow.SealedByClient{InnerDigest: c.InnerDigest, Binding: c.Binding, Rings: c.Rings}
	}
	return s
}

// Registration is the answer to a report. It is shown once.
type Registration struct {
	Number    string       `json:"number"`
	Code      string       `json:"code"`      // the receipt code; a secret
	Statement string       `json:"statement"` // signed, base64url
	Evidence  []StoredFile `json:"evidence"`
}

// StoredFile is a file as it arrived.
type StoredFile struct {
	N      int    `json:"n"`      // place in the manifest, from 1
	SHA256 string `json:"sha256"` // hex
	Size   uint64 `json:"size"`   // bytes
}

// FromRegistration shows a registration. The same one always gives the same JSON.
func FromRegistration(r workflow.Registration) Registration {
	return Registration{Number: r.Number, Code: r.Code.Reveal(), Statement: r.Statement, Evidence: storedFiles(1, r.Files)}
}

func storedFiles(first int, files []vault.File) []StoredFile {
	out := []StoredFile{}
	for i, f := range files {
		out = append(out, StoredFile{N: first + i, SHA256: hex.EncodeToString(f.SHA256[:]), Size: f.Size})
	}
	return out
}
