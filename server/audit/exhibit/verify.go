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
	"slices"

	"golang.org/x/mod/sumdb/note"

	"gridwatch/server/audit"
)

// maxText bounds what is read into memory of the files that are texts.
const maxText = 64 << 20

// Report is what a check found.
type Report struct {
	Manifest   Manifest
	Checkpoint audit.Signed // the zero value if the archive has none
	Waiting    []string     // links that wait for a later checkpoint
	Faults     []string     // what does not fit, each named
}

func (r *Report) fault(format string, args ...any) {
	r.Faults = append(r.Faults, fmt.Sprintf(format, args...))
}

// Verify checks an archive of a size against the keys of a log, and says
// everything that does not fit. Nothing is written anywhere.
func Verify(file io.ReaderAt, size int64, known note.Verifiers) Report {
	var r Report
	archive, err := zip.NewReader(file, size)
	if err != nil {
		r.fault("the archive cannot be read, it is cut off or no archive: %v", err)
		return r
	}
	v := verification{Report: &r, entries: map[string]*zip.File{}, found: map[string]File{}, known: known}
	if !v.names(archive) || !v.open() {
		return r
	}
	v.files()
	v.chains()
	if len(r.Faults) == 0 {
		if at := framing(archive, file, size); at >= 0 {
			r.fault("the archive differs from what it holds at byte %d: a header was changed, or something lies between its files", at)
		}
	}
	return r
}

type verification struct {
	*Report
	entries map[string]*zip.File
	found   map[string]File // what the files are, by path
	known   note.Verifiers
}

// names looks at what the archive calls its files before any is read.
func (v *verification) names(archive *zip.Reader) bool {
	for _, f := range archive.File {
		switch {
		case !pathPattern.MatchString(f.Name) && !slices.Contains([]string{manifestName, signatureName, eventsName, checkpointName, sumsName}, f.Name):
			v.fault("%q is no name that an archive has: do not unpack it", f.Name)
		case v.entries[f.Name] != nil:
			v.fault("%s is there twice", f.Name)
		case f.Method != zip.Store:
			v.fault("%s is compressed, which no archive's file is", f.Name)
		}
		v.entries[f.Name] = f
	}
	return len(v.Faults) == 0
}

// text reads a file that is a text.
func (v *verification) text(name string) ([]byte, bool) {
	f := v.entries[name]
	if f == nil {
		v.fault("%s is missing", name)
		return nil, false
	}
	if f.UncompressedSize64 > maxText {
		v.fault("%s is too large", name)
		return nil, false
	}
	r, err := f.Open()
	if err != nil {
		v.fault("%s cannot be read: %v", name, err)
		return nil, false
	}
	text, err := io.ReadAll(io.LimitReader(r, maxText+1))
	if err := errors.Join(err, r.Close()); err != nil {
		v.fault("%s cannot be read: %v", name, err)
		return nil, false
	}
	return text, true
}

// open reads the manifest if its signature holds.
func (v *verification) open() bool {
	manifest, there := v.text(manifestName)
	signature, signed := v.text(signatureName)
	if !there || !signed {
		return false
	}
	n, err := note.Open(signature, v.known)
	switch {
	case err != nil:
		v.fault("the manifest's signature is not of this log's key: %v", err)
	case !slices.ContainsFunc(n.Sigs, func(s note.Signature) bool { return s.Name == audit.Origin }):
		v.fault("the manifest is not signed by the log")
	case n.Text != statement(manifest):
		v.fault("%s was changed after it was signed", manifestName)
	case strictJSON(manifest, &v.Manifest) != nil || v.Manifest.Format != Format:
		v.fault("%s is not a manifest of the form %s", manifestName, Format)
	}
	return len(v.Faults) == 0
}

func strictJSON(text []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	return d.Decode(into)
}

// files compares every file with the manifest.
func (v *verification) files() {
	listed := map[string]bool{manifestName: true, signatureName: true}
	for _, f := range v.Manifest.Files {
		listed[f.Path] = true
	}
	extra := map[string]string{} // by digest
	for name, entry := range v.entries {
		got, err := measure(entry)
		if err != nil {
			v.fault("%s is damaged: %v", name, err)
			continue
		}
		v.found[name] = got
		if !listed[name] {
			extra[got.SHA256] = name
		}
	}
	for _, f := range v.Manifest.Files {
		got, there := v.found[f.Path]
		switch {
		case v.entries[f.Path] == nil && extra[f.SHA256] != "":
			v.fault("%s was renamed to %s", f.Path, extra[f.SHA256])
			delete(extra, f.SHA256)
		case v.entries[f.Path] == nil:
			v.fault("%s is missing", f.Path)
		case there && (got.Size != f.Size || got.SHA256 != f.SHA256):
			v.fault("%s is not the file that the manifest names: SHA-256 %s, want %s", f.Path, got.SHA256, f.SHA256)
		}
	}
	for _, name := range sorted(extra) {
		v.fault("%s was added: the manifest does not name it", name)
	}
	if text, ok := v.text(sumsName); ok {
		rest := slices.DeleteFunc(slices.Clone(v.Manifest.Files), func(f File) bool { return f.Path == sumsName })
		if string(text) != sums(rest) {
			v.fault("%s does not say what the manifest says", sumsName)
		}
	}
}

func sorted(by map[string]string) []string {
	var names []string
	for _, name := range by {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

func measure(entry *zip.File) (File, error) {
	r, err := entry.Open()
	if err != nil {
		return File{}, err
	}
	sum := sha256.New()
	n, err := io.Copy(sum, r) //nolint:gosec // stored, not compressed: names() looked
	return File{Path: entry.Name, Size: n, SHA256: hex.EncodeToString(sum.Sum(nil))}, errors.Join(err, r.Close())
}

// chains compares every link with its leaf, and every copy with its chain.
func (v *verification) chains() {
	text, there := v.text(eventsName)
	if !there {
		return
	}
	var chains map[string][]Link
	if err := strictJSON(text, &chains); err != nil {
		v.fault("%s is not a list of events", eventsName)
		return
	}
	if v.Manifest.Size > 0 {
		note, there := v.text(checkpointName)
		if !there {
			return
		}
		c, err := audit.OpenCheckpoint(string(note), v.known)
		if err != nil {
			v.fault("%s: %v", checkpointName, err)
			return
		}
		v.Checkpoint = c
	}
	if v.Checkpoint.Size != v.Manifest.Size {
		v.fault("the proofs are for a checkpoint of %d leaves, this one has %d", v.Manifest.Size, v.Checkpoint.Size)
		return
	}
	for _, item := range v.Manifest.Items {
		if len(chains[item.ID]) != item.Events {
			v.fault("item %s has %d events, want %d", item.ID, len(chains[item.ID]), item.Events)
		}
		for i, link := range chains[item.ID] {
			v.link(item.ID, i+1, link)
		}
		v.copies(item.ID, chains[item.ID])
	}
}

func (v *verification) link(item string, n int, l Link) {
	e, m := l.Event, v.Manifest
	name := fmt.Sprintf("event %d of item %s (%s)", n, item, e.Act)
	if e.N != n || e.Item != item || e.Record != m.Record || e.Tenant != m.Tenant {
		v.fault("%s is of another item, or one before it is missing", name)
		return
	}
	want := StatementOf(e)
	if l.Proof.Kind != want.Kind || l.Proof.Commitment != want.Commitment || l.Proof.Day != want.Day || !bytes.Equal(l.Proof.Salt, want.Salt) {
		v.fault("%s is not what its leaf commits to", name)
		return
	}
	if l.Proof.Waits(v.Checkpoint.Day) {
		v.Waiting = append(v.Waiting, name+" waits for the checkpoint of "+l.Proof.Pending)
		return
	}
	if err := l.Proof.Check(v.Checkpoint); err != nil {
		v.fault("%s: %v", name, err)
	}
}

// copies wants every file of an item to be one that its chain tells of.
func (v *verification) copies(item string, chain []Link) {
	for _, f := range v.Manifest.Files {
		if f.Item != item {
			continue
		}
		if DigestOf(chain, f.Copy) != f.SHA256 {
			v.fault("%s: no event tells that this copy was made", f.Path)
		}
	}
}

// framing writes the archive again from what it holds and returns the first
// byte that differs, -1 for none: whatever is not the content of a file has one
// form.
func framing(archive *zip.Reader, file io.ReaderAt, size int64) int64 {
	same := &comparing{with: io.NewSectionReader(file, 0, size)}
	w := zip.NewWriter(same)
	for _, f := range archive.File {
		out, err := w.CreateHeader(&zip.FileHeader{Name: f.Name, Method: zip.Store})
		if err != nil {
			return same.at
		}
		r, err := f.Open()
		if err != nil {
			return same.at
		}
		_, err = io.Copy(out, r) //nolint:gosec // stored, not compressed: names() looked
		if errors.Join(err, r.Close()) != nil {
			return same.at
		}
	}
	if w.Close() != nil || same.at != size {
		return same.at
	}
	return -1
}

var errDiffers = errors.New("exhibit: differs")

// comparing is a writer that fails where it is given something else than what
// it compares with.
type comparing struct {
	with io.Reader
	at   int64
}

// Write implements io.Writer.
func (c *comparing) Write(p []byte) (int, error) {
	was := make([]byte, len(p))
	n, err := io.ReadFull(c.with, was)
	for i := range n {
		if was[i] != p[i] {
			c.at += int64(i)
			return i, errDiffers
		}
	}
	c.at += int64(n)
	return n, err
}
