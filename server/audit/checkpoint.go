package audit

import (
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// Origin is the first line of every checkpoint, and the name of the key that
// the log signs with.
const Origin = "gridwatch-log"

// signer signs as the log with a key of the keyring.
type signer struct {
	note.Verifier
	key ed25519.PrivateKey
}

// Sign implements note.Signer.
func (s signer) Sign(msg []byte) ([]byte, error) { return ed25519.Sign(s.key, msg), nil }

// NewSigner returns the log's signer.
func NewSigner(key ed25519.PrivateKey) (note.Signer, error) {
	public, _ := key.Public().(ed25519.PublicKey)
	text, err := VerifierKey(public)
	if err != nil {
		return nil, err
	}
	v, err := note.NewVerifier(text)
	if err != nil {
		return nil, fmt.Errorf("audit: signer: %w", err)
	}
	return signer{v, key}, nil
}

// VerifierKey returns the text by which others check the log's signature.
func VerifierKey(public ed25519.PublicKey) (string, error) {
	text, err := note.NewEd25519VerifierKey(Origin, public)
	if err != nil {
		return "", fmt.Errorf("audit: verifier key: %w", err)
	}
	return text, nil
}

// sign makes the checkpoint of a day.
func sign(t tlog.Tree, day string, by note.Signer) (Checkpoint, error) {
	text := fmt.Sprintf("%s\n%d\n%s\n%s\n", Origin, t.N, t.Hash, day)
	signed, err := note.Sign(&note.Note{Text: text}, by)
	if err != nil {
		return Checkpoint{}, fmt.Errorf("audit: sign: %w", err)
	}
	return Checkpoint{Day: day, Size: t.N, Note: string(signed)}, nil
}

// tree reads the checkpoint's text; it does not check the signature.
func (c Checkpoint) tree() (tlog.Tree, error) {
	text, _, _ := strings.Cut(c.Note, "\n\n")
	t, _, err := parse(text + "\n")
	return t, err
}

// parse reads origin, size, root and day.
func parse(text string) (tlog.Tree, string, error) {
	lines := strings.Split(text, "\n")
	if len(lines) != 5 || lines[0] != Origin || lines[4] != "" {
		return tlog.Tree{}, "", errors.New("not a checkpoint of this kind of log")
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	root, wrong := base64.StdEncoding.Strict().DecodeString(lines[2])
	_, undated := time.Parse(time.DateOnly, lines[3])
	if err != nil || wrong != nil || undated != nil || size < 1 || size%width != 0 || len(root) != tlog.HashSize {
		return tlog.Tree{}, "", errors.New("not a checkpoint of this kind of log")
	}
	return tlog.Tree{N: size, Hash: tlog.Hash(root)}, lines[3], nil
}

// Signed is a checkpoint whose signature holds.
type Signed struct {
	Checkpoint
	Tree tlog.Tree
	By   []string // names of the keys that signed it: Origin, and levels above
}

// Verifiers reads verifier keys. An empty text is none.
func Verifiers(keys ...string) (note.Verifiers, error) {
	var all []note.Verifier
	for _, key := range keys {
		if key == "" {
			continue
		}
		v, err := note.NewVerifier(strings.TrimSpace(key))
		if err != nil {
			return nil, fmt.Errorf("%q is not a verifier key: %w", key, err)
		}
		all = append(all, v)
	}
	return note.VerifierList(all...), nil
}

// OpenCheckpoint reads a signed checkpoint. It is an error if the log's own
// signature is not on it, or any known signature is false.
func OpenCheckpoint(text string, known note.Verifiers) (Signed, error) {
	n, err := note.Open([]byte(text), known)
	if err != nil {
		return Signed{}, fmt.Errorf("the checkpoint's signature does not hold: %w", err)
	}
	t, day, err := parse(n.Text)
	if err != nil {
		return Signed{}, err
	}
	s := Signed{Checkpoint: Checkpoint{Day: day, Size: t.N, Note: text}, Tree: t}
	for _, sig := range n.Sigs {
		s.By = append(s.By, sig.Name)
	}
	if !slices.Contains(s.By, Origin) {
		return Signed{}, errors.New("the checkpoint is not signed by the log")
	}
	return s, nil
}

// Countersign adds a signature of the level above to a checkpoint.
func Countersign(text string, known note.Verifiers, by note.Signer) (string, error) {
	if by.Name() == Origin {
		return "", fmt.Errorf("%s is the log's own name: the level above has another", Origin)
	}
	n, err := note.Open([]byte(text), known)
	if err != nil {
		return "", fmt.Errorf("the checkpoint's signature does not hold: %w", err)
	}
	if _, _, err := parse(n.Text); err != nil {
		return "", err
	}
	signed, err := note.Sign(n, by)
	if err != nil {
		return "", fmt.Errorf("countersign: %w", err)
	}
	return string(signed), nil
}

// Accept keeps the countersignatures of a checkpoint that the store has. The
// keys of the levels above are among the known ones; other signatures are
// left out.
func Accept(ctx context.Context, s Checkpoints, text string, known note.Verifiers) error {
	signed, err := OpenCheckpoint(text, known)
	if err != nil {
		return err
	}
	if len(signed.By) < 2 {
		return errors.New("no known level above has countersigned this checkpoint")
	}
	kept, err := s.Checkpoint(ctx, signed.Day)
	if err != nil {
		return fmt.Errorf("the checkpoint of %s: %w", signed.Day, err)
	}
	ours, err := note.Open([]byte(kept.Note), known)
	if err != nil {
		return fmt.Errorf("the checkpoint kept for %s: %w", signed.Day, err)
	}
	theirs, err := note.Open([]byte(text), known)
	if err != nil {
		return err
	}
	if ours.Text != theirs.Text {
		return fmt.Errorf("the log's checkpoint of %s is another one", signed.Day)
	}
	ours.Sigs, ours.UnverifiedSigs = union(ours.Sigs, theirs.Sigs), nil
	merged, err := note.Sign(ours)
	if err != nil {
		return err
	}
	was := kept.Note
	kept.Note = string(merged)
	return s.Countersign(ctx, kept, was)
}

func union(a, b []note.Signature) []note.Signature {
	for _, sig := range b {
		if !slices.Contains(a, sig) {
			a = append(a, sig)
		}
	}
	return a
}
