package intake

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"io"
	"strings"
	"unicode/utf8"

	"gridwatch/server/fault"
	"gridwatch/server/workflow"
)

const maxName = 255 // bytes of a file name

// Files returns the rest of the form: its files. Declared are the SHA-256 they
// should have, in order; nil declares neither digests nor how many there are.
func (f *Form) Files(declared [][]byte) workflow.Files { return &files{form: f, declared: declared} }

type files struct {
	form     *Form
	declared [][]byte
	n        int
}

// Next implements workflow.Files.
func (f *files) Next() (workflow.IncomingFile, error) {
	part, err := f.form.take()
	switch {
	case errors.Is(err, io.EOF) && f.n < len(f.declared):
		return workflow.IncomingFile{}, errCount()
	case err != nil:
		return workflow.IncomingFile{}, err
	case part.FormName() != evidence:
		return workflow.IncomingFile{}, f.form.unwanted(part)
	case f.declared != nil && f.n == len(f.declared):
		return workflow.IncomingFile{}, errCount()
	}
	name := part.FileName()
	if name == "" || len(name) > maxName || !utf8.ValidString(name) {
		return workflow.IncomingFile{}, fault.New(fault.Invalid, "evidence.file_name",
			"a file part has a filename of at most 255 bytes of UTF-8").At("/evidence")
	}
	sum, err := contentDigest(part.Header.Get("Content-Digest"))
	if err != nil {
		return workflow.IncomingFile{}, err
	}
	if f.declared != nil {
		said := f.declared[f.n]
		if sum != nil && !bytes.Equal(sum, said) {
			return workflow.IncomingFile{}, fault.New(fault.Invalid, "evidence.digest", "a file has one SHA-256: its two declarations differ").At("/evidence")
		}
		sum = said
	}
	f.n++
	return workflow.IncomingFile{Name: name, SHA256: sum, Reader: part, From: f.form.q.Sender()}, nil
}

// contentDigest reads the SHA-256 of a Content-Digest field (RFC 9530), nil if
// it has none.
func contentDigest(field string) ([]byte, error) {
	for member := range strings.SplitSeq(field, ",") {
		text, ok := strings.CutPrefix(strings.TrimSpace(member), "sha-256=")
		if !ok {
			continue
		}
		sum, err := base64.StdEncoding.Strict().DecodeString(strings.TrimSuffix(strings.TrimPrefix(text, ":"), ":"))
		if err != nil || len(sum) != sha256.Size || len(text) != base64.StdEncoding.EncodedLen(sha256.Size)+2 {
			return nil, fault.New(fault.Invalid, "evidence.digest_format", "a Content-Digest is sha-256=:base64: as RFC 9530 has it").At("/evidence")
		}
		return sum, nil
	}
	return nil, nil
}

func errCount() error {
	return fault.New(fault.Invalid, "evidence.count", "there are as many file parts as digests in the JSON part").At("/evidence")
}
