package console

import (
	"time"

	"gridwatch/server/casefile"
	"gridwatch/server/vault"
	"gridwatch/server/web"
	"gridwatch/server/workflow"
)

// approval is a standing approval of ring B, with what its officer signed.
type approval struct {
	head

	Statement string                  `json:"statement"`
	Purpose   casefile.ContactPurpose `json:"purpose"`
	Basis     string                  `json:"basis"`
	Way       casefile.Way            `json:"way"`
	Gateway   string                  `json:"gateway,omitempty"`
	Uses      int                     `json:"uses"`
	Taken     int                     `json:"taken"`
	Expires   time.Time               `json:"expires"`
	GivenBy   string                  `json:"givenBy"`
	Key       []byte                  `json:"key"`       // public, base64
	Signature []byte                  `json:"signature"` // base64
}

func newApproval(a *casefile.Approval) approval {
	return approval{
		head: newHead(&a.Head), Statement: a.Statement, Purpose: a.Purpose, Basis: a.Basis, Way: a.Way, Gateway: a.Gateway,
		Uses: a.Uses, Taken: len(a.Taken), Expires: a.Expires, GivenBy: a.GivenBy, Key: a.Key, Signature: a.Signature,
	}
}

// approvalPage also says who took uses of it and what was refused.
type approvalPage struct {
	approval

	Timeline []openingEvent `json:"timeline"`
}

func newApprovalPage(_ *web.Request, a *casefile.Approval) approvalPage {
	return approvalPage{approval: newApproval(a), Timeline: coded(a.Timeline)}
}

// contact is one use of a reporter's contact.
type contact struct {
	head

	Report   string                  `json:"report"`
	Approval string                  `json:"approval"`
	Purpose  casefile.ContactPurpose `json:"purpose"`
	Way      casefile.Way            `json:"way"`
	Officer  string                  `json:"officer"`
	Expires  time.Time               `json:"expires"`
	Result   casefile.ContactResult  `json:"result,omitempty"`
}

func newContact(u *casefile.ContactUse) contact {
	return contact{
		head: newHead(&u.Head), Report: u.Report, Approval: u.Approval, Purpose: u.Purpose, Way: u.Way, Officer: u.Officer,
		Expires: u.Expires, Result: u.Result,
	}
}

// contactTurn is a use with what its officer feeds the tool. Bytes are base64.
type contactTurn struct {
	contact

	Use      vault.ContactUse `json:"use"`
	Gateway  string           `json:"gateway,omitempty"`
	Sealed   []byte           `json:"sealed,omitempty"`
	Binding  string           `json:"binding,omitempty"`
	Timeline []openingEvent   `json:"timeline"`
}

func newContactTurn(_ *web.Request, v workflow.ContactView) contactTurn {
	return contactTurn{
		contact: newContact(&v.ContactUse), Use: v.Use, Gateway: v.Gateway, Sealed: v.Contact, Binding: v.Binding, Timeline: coded(v.Timeline),
	}
}
