package wire

import (
	"crypto/ed25519"

	"gridwatch/media"
	"gridwatch/server/casefile"
	"gridwatch/server/workflow"
)

// Tenant is what a form must know before a report is written.
type Tenant struct {
	ID            string                       `json:"id"`
	Name          string                       `json:"name"`
	Area          string                       `json:"area"` // county code
	Rings         Rings                        `json:"rings"`
	StatementKeys map[string]ed25519.PublicKey `json:"statementKeys"` // by id; base64
	Matters       []casefile.Matter            `json:"matters"`
	Modes         []casefile.Mode              `json:"modes"`
	MaxItems      int                          `json:"maxItems"`     // files of a report
	MaxFileBytes  int64                        `json:"maxFileBytes"` // of one file
}

// Rings are the age recipients of the two rings.
type Rings struct {
	Version int      `json:"version"`
	A       []string `json:"a"`
	B       []string `json:"b"`
}

// FromTenant shows a tenant to anyone.
func FromTenant(t workflow.Tenant, keys map[string]ed25519.PublicKey) Tenant {
	return Tenant{
		ID: t.ID, Name: t.Name, Area: t.Area, Rings: Rings{t.Rings.Version, t.Rings.A, t.Rings.B}, StatementKeys: keys,
		Matters:  []casefile.Matter{casefile.MajorHazard, casefile.IllegalAct, casefile.ConcealedAccident},
		Modes:    []casefile.Mode{casefile.Anonymous, casefile.ByCode, casefile.Contactable, casefile.RealName},
		MaxItems: t.Policy.MaxItems, MaxFileBytes: media.DefaultMaxBytes,
	}
}
