package workflow

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"gridwatch/media"
	"gridwatch/server/vault"
)

// WrappedKey is a wrapped data key where it lies in a document.
type WrappedKey struct {
	Collection string
	Document   string // its id
	Path       string // of the field, such as result.key or evidence.3.key
	Value      []byte // of the whole field, which begins with the wrapped key
	Tenant     string // of the document, "" if it has none
	// Owners are the ids that stand around it, the innermost first: of the item
	// of a list and of its objects, of the document, of its envelope.
	Owners []string
}

// WrappedKeys finds wrapped data keys wherever they lie: by their mark, not by
// a list of fields that would have to be kept.
type WrappedKeys interface {
	// Collections lists all there are, in order.
	Collections(ctx context.Context) ([]string, error)
	// Page reads the wrapped keys of the next documents of a collection, and
	// where to go on; "" at the end.
	Page(ctx context.Context, collection, after string, limit int) ([]WrappedKey, string, error)
	// Replace puts another value in the place of one, unless it changed
	// meanwhile: then it returns false.
	Replace(ctx context.Context, k WrappedKey, by []byte) (bool, error)
	// Rewrap returns how far the wrapping under a key has come; the zero Rewrap
	// if it has not begun.
	Rewrap(ctx context.Context, key string) (Rewrap, error)
	PutRewrap(ctx context.Context, r Rewrap) error
}

// Rewrap is how far the wrapping of all data keys under a new key has come.
type Rewrap struct {
	Key        string `bson:"_id"`        // id of the new key
	Pass       int    `bson:"pass"`       // from 1; one that finds nothing is the last
	Collection string `bson:"collection"` // under way
	After      string `bson:"after"`      // position in it
	Changed    int    `bson:"changed"`    // keys in this pass
	Total      int    `bson:"total"`      // keys in all passes
	Failed     int    `bson:"failed"`     // keys in this pass that cannot be wrapped again
	Done       bool   `bson:"done"`

	At time.Time `bson:"at"` // it was done
}

// rewrapPage is how many documents are read in one go.
const rewrapPage = 200

// owners lists for whom a wrapped key may have been wrapped. It is the one list
// of the names that data keys are wrapped for.
func owners(k WrappedKey) []string {
	switch k.Collection {
	case "account":
		return []string{factorKey(&Account{ID: k.Document})}
	case "device":
		return []string{deviceKey}
	}
	all := slices.Clone(k.Owners)
	for _, item := range k.Owners {
		if at, ok := media.PlaceOf(item); ok { // an upload's, which names no item's record
			all = append(all, keyPlace(at), copyPlace(at))
		}
		all = append(all, printPlace(Print{Tenant: k.Tenant, Item: item}))
		for _, record := range k.Owners {
			at := media.Place{Tenant: k.Tenant, Record: record, Item: item}
			all = append(all, keyPlace(at), copyPlace(at))
		}
	}
	return all
}

// rewrapped returns the value of a field whose data key is wrapped under the
// key in use.
func (s *Service) rewrapped(k WrappedKey) ([]byte, error) {
	wrapped, rest := k.Value[:vault.WrappedLen], k.Value[vault.WrappedLen:]
	for _, owner := range owners(k) {
		fresh, err := s.Keyring.Rewrap(owner, wrapped)
		if err == nil {
			return append(fresh, rest...), nil
		}
		if errors.Is(err, vault.ErrNoKey) {
			return nil, err
		}
	}
	return nil, vault.ErrNotOpened
}

// RewrapAll wraps every data key under the key in use. It goes on where an
// earlier run was ended, may run while servers work and any number of times,
// and tells after every page how far it is. A command that began before may
// write an old wrapped form back, so passes go on until one finds nothing. A key
// that cannot be wrapped again keeps none of the others from it: it stays as it
// is, and the error at the end says how many do.
func (s *Service) RewrapAll(ctx context.Context, tell func(Rewrap) error) error {
	at, err := s.WrappedKeys.Rewrap(ctx, s.Keyring.NewestID(vault.AtRest))
	if err != nil {
		return err
	}
	if at.Key == "" || at.Done {
		at = Rewrap{Key: s.Keyring.NewestID(vault.AtRest), Pass: at.Pass + 1, Total: at.Total}
		if err := s.WrappedKeys.PutRewrap(ctx, at); err != nil {
			return err
		}
	}
	var broken error
	for !at.Done {
		if broken, err = s.rewrapPass(ctx, &at, tell); err != nil {
			return err
		}
		if at.Done, at.At = at.Changed == 0, s.now(); !at.Done {
			at = Rewrap{Key: at.Key, Pass: at.Pass + 1, Total: at.Total}
		}
		if err := errors.Join(s.WrappedKeys.PutRewrap(ctx, at), tell(at)); err != nil {
			return err
		}
	}
	if at.Failed > 0 {
		return fmt.Errorf("%d data keys cannot be wrapped again and stay under the key that they are under: %w", at.Failed, broken)
	}
	return nil
}

// rewrapPass goes once through all that is left of a pass. Of the keys that
// cannot be wrapped again it returns where the last one lies.
func (s *Service) rewrapPass(ctx context.Context, at *Rewrap, tell func(Rewrap) error) (broken, err error) {
	collections, err := s.WrappedKeys.Collections(ctx)
	if err != nil {
		return nil, err
	}
	for _, c := range collections {
		if c < at.Collection {
			continue
		}
		if c > at.Collection {
			at.Collection, at.After = c, ""
		}
		for more := true; more; more = at.After != "" {
			keys, next, err := s.WrappedKeys.Page(ctx, c, at.After, rewrapPage)
			if err != nil {
				return broken, err
			}
			failed, err := s.rewrapKeys(ctx, at, keys)
			if err != nil {
				return broken, err
			}
			broken = cmp.Or(failed, broken)
			at.After = next
			if len(keys) == 0 {
				continue
			}
			if err := errors.Join(s.WrappedKeys.PutRewrap(ctx, *at), tell(*at)); err != nil {
				return broken, err
			}
		}
	}
	return broken, nil
}

func (s *Service) rewrapKeys(ctx context.Context, at *Rewrap, keys []WrappedKey) (broken, err error) {
	for _, k := range keys {
		if id, _ := vault.WrappedUnder(k.Value); id == at.Key {
			continue
		}
		fresh, err := s.rewrapped(k)
		if err != nil {
			broken = fmt.Errorf("one lies in %s, %s: %w", k.Collection, k.Path, err)
			at.Failed++
			continue
		}
		if _, err := s.WrappedKeys.Replace(ctx, k, fresh); err != nil {
			return broken, err
		}
		// One that was changed meanwhile is for the next pass.
		at.Changed, at.Total = at.Changed+1, at.Total+1
	}
	return broken, nil
}

// KeysInUse counts the wrapped data keys by the id of the key they are wrapped
// under, wherever in the database they lie, and says when the wrapping of all
// under the key in use was done: the zero time if it was not.
func (s *Service) KeysInUse(ctx context.Context) (map[string]int, time.Time, error) {
	r, err := s.WrappedKeys.Rewrap(ctx, s.Keyring.NewestID(vault.AtRest))
	if err != nil {
		return nil, r.At, err
	}
	collections, err := s.WrappedKeys.Collections(ctx)
	if err != nil {
		return nil, r.At, err
	}
	used := map[string]int{}
	for _, c := range collections {
		after := ""
		for more := true; more; more = after != "" {
			var keys []WrappedKey
			if keys, after, err = s.WrappedKeys.Page(ctx, c, after, rewrapPage); err != nil {
				return nil, r.At, err
			}
			for _, k := range keys {
				id, _ := vault.WrappedUnder(k.Value)
				used[id]++
			}
		}
	}
	return used, r.At, nil
}
