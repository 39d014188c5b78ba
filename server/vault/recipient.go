package vault

import "filippo.io/age"

// CheckRecipient refuses what is not a hybrid age recipient (age1pq1...) with
// ErrRequest.
func CheckRecipient(text string) error {
	if _, err := age.ParseHybridRecipient(text); err != nil {
		return ErrRequest.At("/recipient")
	}
	return nil
}

// SealFor seals a text to one hybrid recipient outside the rings, such as who
// pays an award. It returns ErrRequest if that is none.
func SealFor(recipient string, text []byte) ([]byte, error) {
	to, err := age.ParseHybridRecipient(recipient)
	if err != nil {
		return nil, ErrRequest.At("/recipient")
	}
	return encrypt(text, []age.Recipient{to})
}
