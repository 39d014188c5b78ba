package workflow

import (
	"encoding/json"
	"errors"
	"strings"

	"gridwatch/media"
)

// Units that the texts of a reporter are padded to, in bytes, so that the
// length of what is sealed tells little.
const (
	textClass  = 1 << 10
	claimClass = 256
)

func sealJSON(key media.Sealer, v any, ad []byte) ([]byte, error) {
	text, err := marshal(v)
	if err != nil {
		return nil, err
	}
	return key.SealTo(nil, text, ad)
}

// marshal is json.Marshal without the value in its error.
func marshal(v any) ([]byte, error) {
	text, err := json.Marshal(v)
	if err != nil {
		return nil, errors.New("a sealed field has no JSON")
	}
	return text, nil
}

func openJSON(key media.Sealer, sealed []byte, v any, ad []byte) error {
	text, err := key.Open(sealed, ad)
	if err != nil {
		return err
	}
	if json.Unmarshal(text, v) != nil {
		return errors.New("a sealed field is not the JSON it should be")
	}
	return nil
}

// sealPadded seals a value whose length tells nothing but its class: JSON may
// end in spaces.
func sealPadded(key media.Sealer, v any, class int, ad []byte) ([]byte, error) {
	text, err := marshal(v)
	if err != nil {
		return nil, err
	}
	spaces := (class - len(text)%class) % class
	return key.SealTo(nil, append(text, strings.Repeat(" ", spaces)...), ad)
}
