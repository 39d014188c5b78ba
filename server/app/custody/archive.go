package custody

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"

	"gridwatch/server/app/apiclient"
	"gridwatch/server/casefile"
	"gridwatch/server/vault"
	"gridwatch/server/workflow"
)

// ofArchive says whether a request opens what was said, and not who reported.
func (in opening) ofArchive() bool { return casefile.Purpose(in.Request.Purpose).OfArchive() }

// openArchive shows what was said in a report that was sealed away, and saves
// the originals of its evidence in the folder of --out. Of a report whose term
// is not over those alone were sealed away. The keys are in memory only.
func (s session) openArchive(
	ctx context.Context, o options, env Env, held []*vault.RingKey, once *vault.RequestKey, in opening,
) (vault.Result, error) {
	box, err := vault.OpenStrongbox(held, once, in.PeeledBy, *in.Layer, vault.Sealed{InnerDigest: in.InnerDigest, Binding: in.Binding}, in.Request, env.Now())
	if err != nil {
		result, err := resultOf(vault.Identity{}, err)
		if err != nil {
			return "", err
		}
		return result, show(env, o.json, in.Request.Purpose, result, vault.Identity{})
	}
	var report workflow.ArchivedReport
	if _, err := s.c.Do(ctx, apiclient.Call{Method: http.MethodGet, Path: o.path("/archive")}, &report); err != nil {
		return "", err
	}
	said, keys, err := report.Open(box)
	if err != nil {
		return "", err
	}
	if err := showReport(env, o.json, said); err != nil {
		return "", err
	}
	if o.out == "" {
		return vault.ResultOpened, nil
	}
	for i, item := range report.Items {
		if err := s.saveItem(ctx, o, report, item, i+1, keys); err != nil {
			return "", err
		}
	}
	_, err = fmt.Fprintf(env.Stderr, "%d items of evidence are in %s\n", len(report.Items), o.out)
	return vault.ResultOpened, err
}

// saveItem saves an item under its number: its own name is the sender's.
func (s session) saveItem(ctx context.Context, o options, report workflow.ArchivedReport, item workflow.ArchivedItem, n int, keys *vault.Archive) error {
	var clear bytes.Buffer
	for part := 1; part <= item.Parts; part++ {
		answer, err := s.c.Do(ctx, apiclient.Call{
			Method: http.MethodGet, Path: o.path("/archive/" + url.PathEscape(item.ID) + "/" + strconv.Itoa(part)),
		}, nil)
		if err != nil {
			return err
		}
		plain, err := report.OpenPart(answer.Body, item, part, keys)
		if err != nil {
			return err
		}
		clear.Write(plain)
	}
	f, err := os.OpenFile(filepath.Join(o.out, strconv.Itoa(n)), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(clear.Bytes())
	return errors.Join(err, f.Close())
}

func showReport(env Env, asJSON bool, r workflow.OpenedReport) error {
	if asJSON {
		return json.NewEncoder(env.Stdout).Encode(r)
	}
	var lines []string
	for i, f := range r.Facts {
		lines = append(lines, fmt.Sprintf("Evidence %d: %s, %s, %d bytes, SHA-256 %s", i+1, printable(f.Name), printable(f.Type), f.Size, f.SHA256))
	}
	if r.Narrative != "" {
		lines = append(lines, "What was said (write it nowhere)", "  "+printable(r.Narrative), "About", "  "+printable(r.Target))
	}
	for _, text := range r.Wording {
		lines = append(lines, "  "+printable(text))
	}
	for _, m := range r.Messages {
		lines = append(lines, printable(m.On+" "+string(m.From)+": "+m.Text))
	}
	for _, part := range []struct{ name, text string }{{"Objection", r.Objection}, {"Withdrawal", r.Withdrawal}} {
		if part.text != "" {
			lines = append(lines, part.name, "  "+printable(part.text))
		}
	}
	for _, line := range lines {
		if _, err := fmt.Fprintln(env.Stdout, line); err != nil {
			return err
		}
	}
	return nil
}
