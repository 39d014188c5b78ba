package wire

import (
	"cmp"
	"crypto/ed25519"

	"gridwatch/media"
	"gridwatch/server/casefile"
	"gridwatch/server/vault"
	"gridwatch/server/workflow"
)

// Tenant is what a form must know before a report is written.
type Tenant struct {
	ID   string `json:"id"`
	Name string `json:"name"`
	Area string `json:"area"` // county code
	// Officials is the tenant that takes reports about this office and its officers.
	Officials     string                       `json:"officials"`
	Rings         Rings                        `json:"rings"`
	StatementKeys map[string]ed25519.PublicKey `json:"statementKeys"` // by id; base64
	Matters       []casefile.Matter            `json:"matters"`
	Modes         []casefile.Mode              `json:"modes"`
	MaxItems      int                          `json:"maxItems"`     // files of a report
	MaxFileBytes  int64                        `json:"maxFileBytes"` // of one file
}

// Rings are the keys that a report is sealed to, and the list that says so. A
// client verifies the list by the root whose fingerprint it has pinned from a
// public notice, and seals to what the list says.
type Rings struct {
	Version int      `json:"version"` // of the list; 0 before there is one
	A       []string `json:"a"`       // age recipient of ring A
	B       []string `json:"b"`       // of ring B

	vault.SignedKeyList
	Root ed25519.PublicKey `json:"root"` // base64
}

// FromTenant shows a tenant to anyone.
func FromTenant(t workflow.Tenant, keys map[string]ed25519.PublicKey) Tenant {
	return Tenant{
		ID: t.ID, Name: t.Name, Area: t.Area, Officials: cmp.Or(t.Above, t.ID), StatementKeys: keys,
		Rings:    Rings{t.Rings.Version, t.Rings.A, t.Rings.B, t.Keys, t.Root},
		Matters:  []casefile.Matter{casefile.MajorHazard, casefile.IllegalAct, casefile.ConcealedAccident},
		Modes:    []casefile.Mode{casefile.Anonymous, casefile.ByCode, casefile.Contactable, casefile.RealName},
		MaxItems: t.Policy.MaxItems, MaxFileBytes: media.DefaultMaxBytes,
	}
}
