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
