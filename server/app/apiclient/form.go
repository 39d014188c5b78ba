package apiclient

import (
	"bytes"
	"fmt"
	"io"
	"mime/multipart"
	"net/textproto"
)

// Form is a multipart form; its parts are sent in order.
type Form struct {
	parts []part
}

type part struct {
	name, file, media string
	body              []byte
}

// JSON adds a part that is JSON.
func (f *Form) JSON(name string, body []byte) *Form {
	return f.add(part{name: name, media: "application/json", body: body})
}

// File adds a file. A part without a file name is sealed content.
func (f *Form) File(name, file, media string, body []byte) *Form {
	return f.add(part{name: name, file: file, media: media, body: body})
}

func (f *Form) add(p part) *Form {
	f.parts = append(f.parts, p)
	return f
}

// encode writes the form under a boundary of its own.
func (f *Form) encode() (io.Reader, string, error) {
	size := 0
	for _, p := range f.parts {
		size += len(p.body) + 512
	}
	out := bytes.NewBuffer(make([]byte, 0, size))
	w := multipart.NewWriter(out)
	for _, p := range f.parts {
		disposition := fmt.Sprintf("form-data; name=%q", p.name)
		if p.file != "" {
			disposition += fmt.Sprintf("; filename=%q", p.file)
		}
		part, err := w.CreatePart(textproto.MIMEHeader{"Content-Disposition": {disposition}, "Content-Type": {p.media}})
		if err != nil {
			return nil, "", fmt.Errorf("encode form: %w", err)
		}
		if _, err := part.Write(p.body); err != nil {
			return nil, "", fmt.Errorf("encode form: %w", err)
		}
	}
	if err := w.Close(); err != nil {
		return nil, "", fmt.Errorf("encode form: %w", err)
	}
	return out, w.FormDataContentType(), nil
}
