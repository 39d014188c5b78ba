package wire

import "time"

// OpenSession is a sign-in of staff (schema session-open).
type OpenSession struct {
	Tenant   string `json:"tenant"`
	Login    string `json:"login"`
	Password string `json:"password"`
	Device   string `json:"device"` // 128 random bits that the device keeps
}

// RefreshSession asks for the next pair of tokens (schema session-refresh).
type RefreshSession struct {
	Refresh string `json:"refresh"`
	Device  string `json:"device"`
}

// Session is a pair of tokens.
type Session struct {
	Access        string    `json:"access"`
	AccessExpires time.Time `json:"accessExpires"`
	Refresh       string    `json:"refresh"` // one time
}

// PutDevice names the phone that pushes go to (schema device).
type PutDevice struct {
	Token string `json:"token"`
}

// Device is a phone that pushes go to.
type Device struct {
	ID string `json:"id"`
}
