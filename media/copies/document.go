package copies

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"time"

	"github.com/signintech/gopdf"

	"gridwatch/media/sandbox"
	"gridwatch/media/scrub"
)

// pageSide is the longer side of a page's picture in pixels: 200 dots an inch
// on A4 and less on what is larger.
const pageSide = 2200

// maxPage is how many bytes the picture of a page has at most: three for each
// pixel are more than a JPEG ever takes.
const maxPage = 3 * pageSide * pageSide

// ofDocument bounds the programs that read a PDF.
var ofDocument = sandbox.Limits{Wall: time.Minute, CPU: time.Minute, Memory: 1 << 30, Space: 2 << 30, File: maxPicture, Processes: 16}

var pageCount = regexp.MustCompile(`(?m)^Pages:\s+(\d+)$`)

// document makes pictures of a PDF's pages and a PDF of the pictures. What the
// file attaches, links to, runs or says of itself is not on its pages.
func (j *job) document(ctx context.Context) error {
	out, err := j.run(ctx, sandbox.Job{Dir: j.dir, Program: pdfinfo, Args: []string{in}, Stdout: 256 << 10, Limits: ofDocument})
	if err != nil {
		return err
	}
	found := pageCount.FindSubmatch(out)
	if found == nil {
		return ErrBroken
	}
	n, err := strconv.Atoi(string(found[1]))
	if err != nil || n > j.o.Limits.Pages {
		return ErrPages
	} else if n == 0 {
		return ErrBroken
	}
	names, err := j.draw(ctx, n, pageSide)
	if err != nil {
		return err
	}
	return j.bind(ctx, names)
}

// draw makes a picture of each of n pages, so many pixels long, and returns their
// names.
func (j *job) draw(ctx context.Context, n, side int) ([]string, error) {
	names := make([]string, n)
	for i := range names { // pdftoppm writes numbers of one width
		names[i] = fmt.Sprintf("page-%0*d.jpg", len(strconv.Itoa(n)), i+1)
	}
	limits := ofDocument
	limits.Wall, limits.CPU, limits.File = j.o.Limits.Wall, j.o.Limits.Wall, maxPage
	_, err := j.run(ctx, sandbox.Job{
		Dir: j.dir, Program: pdftoppm, Writes: names, Stdout: 1 << 10, Limits: limits,
		Args: []string{"-jpeg", "-scale-to", strconv.Itoa(side), "-l", strconv.Itoa(n), in, "page"},
	})
	return names, err
}

// bind draws the pages anew and makes one PDF of them.
func (j *job) bind(ctx context.Context, names []string) error {
	pdf := new(gopdf.GoPdf)
	pdf.Start(gopdf.Config{PageSize: *gopdf.PageSizeA4})
	var first []scrub.Copy
	for _, name := range names {
		page, err := j.read(name)
		if errors.Is(err, ErrBroken) {
			continue // a page that could not be drawn
		}
		if err != nil {
			return err
		}
		drawn, err := j.m.photos.Draw(ctx, page, pageSide, thumbnailSide)
		if err != nil {
			return ofPicture(err)
		}
		if first == nil {
			first = drawn
		}
		if err := add(pdf, drawn[0]); err != nil {
			return err
		}
	}
	if first == nil {
		return ErrBroken
	}
	var buf bytes.Buffer
	if _, err := pdf.WriteTo(&buf); err != nil {
		return fmt.Errorf("write pages: %w", err)
	}
	err := j.keep(ctx, Copy{Use: Pages, Type: "application/pdf", Size: int64(buf.Len()), Body: &buf})
	if err != nil {
		return err
	}
	return pictures(ctx, j.keep, Display, first)
}

// add puts a picture on a page of its own shape, as wide as A4.
func add(pdf *gopdf.GoPdf, page scrub.Copy) error {
	size := &gopdf.Rect{W: gopdf.PageSizeA4.W, H: gopdf.PageSizeA4.W * float64(page.Height) / float64(page.Width)}
	pdf.AddPageWithOption(gopdf.PageOption{PageSize: size})
	picture, err := gopdf.ImageHolderByBytes(page.JPEG)
	if err != nil {
		return errors.Join(ErrBroken, err)
	}
	return pdf.ImageByHolder(picture, 0, 0, size)
}
