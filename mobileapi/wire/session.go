package wire

import (
	"encoding/json"
	"time"

	"gridwatch/server/casefile"
	"gridwatch/server/workflow"
)

// OpenSession is a sign-in of staff (schema session-open).
type OpenSession struct {
	Tenant   string `json:"tenant"`
	Login    string `json:"login"`
	Password string `json:"password"`
	Device   string `json:"device"` // 128 random bits that the device keeps
	Label    string `json:"label,omitempty"`
}

// HalfSession is a sign-in whose second factor is to follow.
type HalfSession struct {
	Half        string    `json:"half"` // one time
	HalfExpires time.Time `json:"halfExpires"`
	Factors     []string  `json:"factors"` // totp, recovery, passkey; or enrol

	InitialPassword bool `json:"initialPassword,omitempty"`
}

// Half goes on with a sign-in (schema session-half).
type Half struct {
	Half   string `json:"half"`
	Device string `json:"device"`
}

// SecondFactor ends a sign-in by a code (schema session-second).
type SecondFactor struct {
	Half   string `json:"half"`
	Device string `json:"device"`
	Code   string `json:"code"`
}

// PasskeyAnswer ends a sign-in by a passkey (schema session-passkey).
type PasskeyAnswer struct {
	Half       string          `json:"half"`
	Device     string          `json:"device"`
	Ceremony   string          `json:"ceremony"`
	Credential json.RawMessage `json:"credential"` // as the browser gives it
}

// Code is a code of a second factor (schema session-code).
type Code struct {
	Code string `json:"code"`
}

// NewPasskey registers a passkey (schema session-passkey-new).
type NewPasskey struct {
	Ceremony   string          `json:"ceremony"`
	Label      string          `json:"label"`
	Credential json.RawMessage `json:"credential"`
}

// NewTie declares a tie to a place or a firm (schema session-tie).
type NewTie struct {
	Area string `json:"area,omitempty"`
	Firm string `json:"firm,omitempty"`
}

// Enrolment is a new secret for an authenticator app.
type Enrolment struct {
	Secret string `json:"secret"` // base32
	URI    string `json:"uri"`    // otpauth, for a QR code
}

// Recovery are codes that are shown once.
type Recovery struct {
	RecoveryCodes []string `json:"recoveryCodes"`
}

// Ceremony is a challenge for an authenticator.
type Ceremony struct {
	Ceremony string `json:"ceremony"` // one time
	Options  any    `json:"options"`  // for the browser's navigator.credentials
}

// Factors are the second factors one has.
type Factors struct {
	TOTP         bool      `json:"totp"`
	RecoveryLeft int       `json:"recoveryLeft"`
	Passkeys     []Passkey `json:"passkeys"`
}

// Passkey is one authenticator.
type Passkey struct {
	ID    string `json:"id"`
	Label string `json:"label"`
	Added string `json:"added"` // day
}

// FromFactors shows second factors.
func FromFactors(f workflow.Factors) Factors {
	out := Factors{TOTP: len(f.TOTP) > 0, RecoveryLeft: len(f.Recovery), Passkeys: []Passkey{}}
	for _, k := range f.Passkeys {
		out.Passkeys = append(out.Passkeys, FromPasskey(k))
	}
	return out
}

// FromPasskey shows a passkey.
func FromPasskey(k workflow.Passkey) Passkey {
	return Passkey{ID: k.ID, Label: k.Label, Added: day(k.Added)}
}

// SignedIn is a session as its owner sees it.
type SignedIn struct {
	ID    string `json:"id"`
	Label string `json:"label"` // of the device
	Begun string `json:"begun"` // day
	Used  string `json:"used"`  // day
	Here  bool   `json:"here"`  // it is the session that asks
}

// SignedIns is where one is signed in.
type SignedIns struct {
	Items []SignedIn `json:"items"`
}

// FromFamilies shows sessions; here is the id of the one that asks.
func FromFamilies(families []workflow.Family, here string) SignedIns {
	out := SignedIns{Items: []SignedIn{}}
	for _, f := range families {
		out.Items = append(out.Items, SignedIn{ID: f.ID, Label: f.Label, Begun: day(f.Begun), Used: day(f.Turned), Here: f.ID == here})
	}
	return out
}

// Tie is a declared tie.
type Tie struct {
	Area string `json:"area,omitempty"`
	Firm string `json:"firm,omitempty"`
	By   string `json:"by"` // person
	On   string `json:"on"` // day
}

// Ties are declared ties.
type Ties struct {
	Items []Tie `json:"items"`
}

// FromTies shows ties.
func FromTies(ties []casefile.Tie) Ties {
	out := Ties{Items: []Tie{}}
	for _, t := range ties {
		out.Items = append(out.Items, FromTie(t))
	}
	return out
}

// FromTie shows a tie.
func FromTie(t casefile.Tie) Tie { return Tie{Area: t.Area, Firm: t.Firm, By: t.By, On: day(t.At)} }

// RefreshSession asks for the next pair of tokens (schema session-refresh).
type RefreshSession struct {
	Refresh string `json:"refresh"`
	Device  string `json:"device"`
}

// Session is a pair of tokens.
type Session struct {
	Access        string    `json:"access"`
	AccessExpires time.Time `json:"accessExpires"`
	Refresh       string    `json:"refresh"`                 // one time
	RecoveryCodes []string  `json:"recoveryCodes,omitempty"` // once, when a second factor was enrolled

	// InitialPassword asks for another password: whoever wrote this one into an
	// import knows it. It is said once, where the password was sent.
	InitialPassword bool `json:"initialPassword,omitempty"`
}

// ChangePassword is a new password in the place of the one in force (schema
// session-password).
type ChangePassword struct {
	Current string `json:"current"`
	New     string `json:"new"`
}

// PutDevice names the phone that pushes go to (schema device).
type PutDevice struct {
	Token string `json:"token"`
}

// Device is a phone that pushes go to.
type Device struct {
	ID string `json:"id"`
}
