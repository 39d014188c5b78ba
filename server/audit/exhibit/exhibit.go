// Package exhibit is the archive in which evidence leaves (证据导出): clean
// copies with their digests, the chain of custody of each item, the proofs that
// every link stands in the log, and the checkpoint that the proofs lead to.
//
// It is written and checked as a stream, in constant memory. Whoever checks it
// needs the log's verifier key and nothing else: no server, no account.
package exhibit

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"

	"gridwatch/server/audit"
	"gridwatch/server/casefile"
)

// Format is the first thing a manifest says.
const Format = "gridwatch-evidence/1"

// Names of the files that every archive has.
const (
	manifestName   = "manifest.json"
	signatureName  = "manifest.sig"
	eventsName     = "events.json"
	checkpointName = "checkpoint.txt"
	sumsName       = "SHA256SUMS"
)

// pathPattern is what a file of an item is called: no path leads out of the archive.
var pathPattern = regexp.MustCompile(`^items/[A-Za-z0-9_-]{1,64}/[a-z]{1,16}\.[a-z0-9]{1,5}$`)

// Manifest says what is in an archive. Its digest is signed by the log's key.
type Manifest struct {
	Format string    `json:"format"`
	Tenant string    `json:"tenant"`
	Kind   string    `json:"kind"` // report, task
	Record string    `json:"record"`
	MadeBy string    `json:"madeBy"` // person
	MadeAt time.Time `json:"madeAt"`
	Size   int64     `json:"size"` // of the checkpoint that the proofs lead to; 0 if there is none yet
	Items  []Item    `json:"items"`
	Files  []File    `json:"files"` // everything but the manifest and its signature
}

// Item is one item of evidence.
type Item struct {
	ID     string `json:"id"`
	N      int    `json:"n"` // its number in the record, from 1
	Kind   string `json:"kind"`
	State  string `json:"state"`
	Events int    `json:"events"` // links of its chain
}

// File is one file of the archive.
type File struct {
	Path   string `json:"path"`
	Item   string `json:"item,omitempty"`
	Copy   string `json:"copy,omitempty"`
	Type   string `json:"type,omitempty"`
	Size   int64  `json:"size"` // bytes
	SHA256 string `json:"sha256"`
}

// Link is one event of a chain and the proof of its leaf.
type Link struct {
	Event casefile.CustodyEvent `json:"event"`
	Proof audit.Proof           `json:"proof"`
}

// StatementOf is what the leaf of an event commits to.
func StatementOf(e casefile.CustodyEvent) audit.Statement {
	return audit.Statement{Kind: e.LeafKind(), Commitment: e.Commitment(), Day: e.On, Salt: e.Salt}
}

// DigestOf is what a chain says last of a copy, or of the original: the SHA-256
// in hex, "" if it tells of none.
func DigestOf(chain []Link, copied string) string {
	digest := ""
	for _, l := range chain {
		switch e := l.Event; {
		case e.Copy != copied:
		case e.Act == casefile.CustodyStore || e.Act == casefile.CustodyDerive || e.Act == casefile.CustodyRelease:
			digest = e.Digest
		case e.Act == casefile.CustodyDelete:
			digest = ""
		}
	}
	return digest
}

// Path is where a copy of an item lies in an archive.
func Path(item, copyKind, ext string) string {
	return fmt.Sprintf("items/%s/%s.%s", item, copyKind, strings.TrimPrefix(ext, "."))
}

// Writer writes an archive. Methods are called in this order: Add for every
// file, then Finish once.
type Writer struct {
	zip      *zip.Writer
	manifest Manifest
}

// NewWriter begins an archive. Of the manifest it takes all but Format and Files.
func NewWriter(w io.Writer, m Manifest) *Writer {
	m.Format, m.Files = Format, []File{}
	return &Writer{zip: zip.NewWriter(w), manifest: m}
}

// Add writes a file of an item. Digest is what the item's chain says of it; a
// copy that is not what was derived is an error, and the archive is not finished.
func (w *Writer) Add(f File, digest string, r io.Reader) error {
	if !pathPattern.MatchString(f.Path) {
		return errors.New("exhibit: not a path of an item's file")
	}
	if err := w.add(f, r); err != nil {
		return err
	}
	if got := w.manifest.Files[len(w.manifest.Files)-1].SHA256; digest != got {
		return fmt.Errorf("exhibit: %s is not the copy that its chain tells of", f.Path)
	}
	return nil
}

// add stores without compression: media does not shrink, and what is checked is
// what lies there.
func (w *Writer) add(f File, r io.Reader) error {
	out, err := w.zip.CreateHeader(&zip.FileHeader{Name: f.Path, Method: zip.Store})
	if err != nil {
		return fmt.Errorf("exhibit: %w", err)
	}
	sum := sha256.New()
	if f.Size, err = io.Copy(io.MultiWriter(out, sum), r); err != nil {
		return fmt.Errorf("exhibit: write %s: %w", f.Path, err)
	}
	f.SHA256 = hex.EncodeToString(sum.Sum(nil))
	w.manifest.Files = append(w.manifest.Files, f)
	return nil
}

// Finish writes chains, checkpoint, digests and the signed manifest. Note is the
// text of the checkpoint, "" before the log's first.
func (w *Writer) Finish(chains map[string][]Link, checkpoint string, by note.Signer) error {
	events, err := json.MarshalIndent(chains, "", " ")
	if err != nil {
		return fmt.Errorf("exhibit: %w", err)
	}
	if checkpoint != "" {
		if err := w.add(File{Path: checkpointName}, strings.NewReader(checkpoint)); err != nil {
			return err
		}
	}
	if err := w.add(File{Path: eventsName}, bytes.NewReader(events)); err != nil {
		return err
	}
	if err := w.add(File{Path: sumsName}, strings.NewReader(sums(w.manifest.Files))); err != nil {
		return err
	}
	manifest, err := json.MarshalIndent(w.manifest, "", " ")
	if err != nil {
		return fmt.Errorf("exhibit: %w", err)
	}
	signed, err := note.Sign(&note.Note{Text: statement(manifest)}, by)
	if err != nil {
		return fmt.Errorf("exhibit: sign: %w", err)
	}
	for _, f := range []struct{ name, text string }{{manifestName, string(manifest)}, {signatureName, string(signed)}} {
		if err := w.add(File{Path: f.name}, strings.NewReader(f.text)); err != nil {
			return err
		}
	}
	if err := w.zip.Close(); err != nil {
		return fmt.Errorf("exhibit: %w", err)
	}
	return nil
}

// statement is what the signature of a manifest is about. Its first line is
// that of no checkpoint.
func statement(manifest []byte) string {
	sum := sha256.Sum256(manifest)
	return Format + "\n" + hex.EncodeToString(sum[:]) + "\n"
}

// sums is the digests as sha256sum -c reads them.
func sums(files []File) string {
	var b strings.Builder
	for _, f := range files {
		fmt.Fprintf(&b, "%s  %s\n", f.SHA256, f.Path)
	}
	return b.String()
}
