package copies_test

import (
	"bytes"
	"compress/zlib"
	"errors"
	"fmt"
	"strings"
	"testing"
)

// object is an object of a PDF.
type object string

// write puts objects, counted from 1, together to a PDF; the first is the root.
func write(objects ...object) []byte {
	var b bytes.Buffer
	b.WriteString("%PDF-1.7\n")
	at := make([]int, len(objects))
	for i, o := range objects {
		at[i] = b.Len()
		fmt.Fprintf(&b, "%d 0 obj\n%s\nendobj\n", i+1, o)
	}
	xref := b.Len()
	fmt.Fprintf(&b, "xref\n0 %d\n0000000000 65535 f \n", len(objects)+1)
	for _, n := range at {
		fmt.Fprintf(&b, "%010d 00000 n \n", n)
	}
	fmt.Fprintf(&b, "trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n", len(objects)+1, xref)
	return b.Bytes()
}

func content(dict, text string) object {
	return object(fmt.Sprintf("<< /Length %d %s >>\nstream\n%s\nendstream", len(text), dict, text))
}

// pdf returns a PDF with a red box on each page.
func pdf(tb testing.TB, pages int) []byte {
	tb.Helper()
	objects := []object{"<< /Type /Catalog /Pages 2 0 R >>", "", content("", "1 0 0 rg 50 50 200 200 re f")}
	var kids []string
	for i := range pages {
		objects = append(objects, "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 3 0 R >>")
		kids = append(kids, fmt.Sprintf("%d 0 R", i+4))
	}
	objects[1] = object(fmt.Sprintf("<< /Type /Pages /Count %d /Kids [%s] >>", pages, strings.Join(kids, " ")))
	return write(objects...)
}

// attached returns a PDF that carries an archive and a script.
func attached(tb testing.TB) []byte {
	tb.Helper()
	return write(
		"<< /Type /Catalog /Pages 2 0 R /OpenAction << /S /JavaScript /JS (app.alert\\('"+canary+"'\\)) >> /Names << /EmbeddedFiles << /Names [(a.zip) 5 0 R] >> >> >>",
		"<< /Type /Pages /Count 1 /Kids [3 0 R] >>", "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R >>",
		content("", "1 0 0 rg 50 50 200 200 re f"), "<< /Type /Filespec /F (a.zip) /EF << /F 6 0 R >> >>",
		content("/Type /EmbeddedFile", "PK\x03\x04"+canary),
	)
}

// blown returns a PDF whose page is a stream that unpacks to gigabytes: a chunk
// behind its like, again and again, so that nobody need pack them.
func blown(tb testing.TB, gigabytes int) []byte {
	tb.Helper()
	var packed bytes.Buffer
	z := zlib.NewWriter(&packed)
	chunk := bytes.Repeat([]byte("0 0 m 1 1 l S\n"), 1<<16)
	first := 0
	for range 2 {
		first = packed.Len()
		_, err := z.Write(chunk)
		if err = errors.Join(err, z.Flush()); err != nil {
			tb.Fatal(err)
		}
	}
	like := bytes.Clone(packed.Bytes()[first:])
	packed.Write(bytes.Repeat(like, gigabytes<<30/len(chunk)))
	if err := z.Close(); err != nil {
		tb.Fatal(err)
	}
	return write("<< /Type /Catalog /Pages 2 0 R >>", "<< /Type /Pages /Count 1 /Kids [3 0 R] >>",
		"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R >>", content("/Filter /FlateDecode", packed.String()))
}
