package workflow

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"

	"gridwatch/media"
	"gridwatch/server/audit"
	"gridwatch/server/audit/exhibit"
	"gridwatch/server/casefile"
	"gridwatch/server/fault"
)

// exported is what an archive is made of.
type exported struct {
	tenant, kind, record string
	at                   media.Place
	items                []casefile.Evidence
	copies               func(casefile.Evidence) []casefile.CopyKind
}

// ExportReport (证据导出) streams an archive of what the desk released of a
// report: the copies as others see them, and no original.
func (s *Service) ExportReport(ctx context.Context, actor casefile.Actor, id string) (Original, error) {
	r, err := load(ctx, actor, s.Reports, id, casefile.EvidenceExport)
	if err != nil {
		return Original{}, err
	}
	return s.export(ctx, actor, exported{
		tenant: r.Tenant, kind: "report", record: r.ID, at: placeOfReport(r), items: r.Evidence,
		copies: func(e casefile.Evidence) []casefile.CopyKind {
			if !e.Released || len(e.CopyKey) == 0 { // sealed away
				return nil
			}
			return []casefile.CopyKind{e.Shown()}
		},
	})
}

// ExportTask streams an archive of what was taken for a task: originals of
// staff, and their clean copies.
func (s *Service) ExportTask(ctx context.Context, actor casefile.Actor, id string) (Original, error) {
	t, err := load(ctx, actor, s.Tasks, id, casefile.EvidenceExport)
	if err != nil {
		return Original{}, err
	}
	return s.export(ctx, actor, exported{
		tenant: t.Tenant, kind: "task", record: t.ID, at: placeOfTask(t), items: t.Collected,
		copies: func(e casefile.Evidence) []casefile.CopyKind {
			kinds := []casefile.CopyKind{casefile.OriginalCopy}
			for _, c := range e.Copies {
				kinds = append(kinds, c.Kind)
			}
			return kinds
		},
	})
}

// export notes on every chain that the item leaves, and then writes the archive
// as it is read: nothing of it lies anywhere. What cannot be finished is cut
// off, and a check of it says so.
func (s *Service) export(ctx context.Context, actor casefile.Actor, x exported) (Original, error) {
	id, err := s.newID()
	if err != nil {
		return Original{}, err
	}
	for _, item := range x.items {
		if err := s.chainTells(ctx, x, item); err != nil {
			return Original{}, err
		}
	}
	at := s.now()
	for _, item := range x.items {
		if len(x.copies(item)) == 0 {
			continue
		}
		link := s.linkAt(at, casefile.CustodyExport, x.tenant, x.record, item.ID, actor.Person)
		link.Source, link.Note = "export:"+id, id
		if err := s.link(ctx, link); err != nil {
			return Original{}, err
		}
	}
	last, err := s.Audit.Store.Latest(ctx)
	if err != nil && !errors.Is(err, audit.ErrNone) {
		return Original{}, err
	}
	out, in := io.Pipe()
	w := archive{s: s, exported: x, last: last, chains: map[string][]exhibit.Link{}}
	go func() {
		err := w.write(ctx, in, exhibit.Manifest{
			Tenant: x.tenant, Kind: x.kind, Record: x.record, MadeBy: actor.Person, MadeAt: at, Size: last.Size,
		})
		if err != nil {
			s.Log.LogAttrs(ctx, slog.LevelWarn, "an export broke off", slog.String("code", fault.CodeOf(err)))
		}
		in.CloseWithError(err)
	}()
	return Original{ReadCloser: out, Type: "application/zip", Size: -1}, nil
}

// chainTells refuses with evidence.chain_behind while the chain of an item does not
// yet tell of all that would be exported: links follow the record by the relay, and
// an archive without a file would look whole.
func (s *Service) chainTells(ctx context.Context, x exported, item casefile.Evidence) error {
	kinds := x.copies(item)
	if len(kinds) == 0 {
		return nil
	}
	var chain []exhibit.Link
	err := s.events(ctx, x.tenant, item.ID, func(e casefile.CustodyEvent) error {
		chain = append(chain, exhibit.Link{Event: e})
		return nil
	})
	if err != nil {
		return err
	}
	for _, kind := range kinds {
		told := exhibit.DigestOf(chain, string(kind))
		c, made := item.Copy(kind)
		if (made && c.SHA256 != told) || (kind == casefile.OriginalCopy && item.Stored() && told == "") {
			return fault.New(fault.Busy, "evidence.chain_behind", "what happened to an item is still being entered; try again")
		}
	}
	return nil
}

// events hands out the chain of an item, oldest first.
func (s *Service) events(ctx context.Context, tenant, item string, see func(casefile.CustodyEvent) error) error {
	for after := 0; ; {
		page, err := s.Chains.List(ctx, tenant, item, after, chainPage)
		if err != nil || len(page) == 0 {
			return err
		}
		for _, e := range page {
			if err := see(e); err != nil {
				return err
			}
			after = e.N
		}
	}
}

// archive is one export under way.
type archive struct {
	exported
	s      *Service
	last   audit.Checkpoint
	chains map[string][]exhibit.Link
}

func (a *archive) write(ctx context.Context, to io.Writer, m exhibit.Manifest) error {
	for i, item := range a.items {
		if len(a.copies(item)) == 0 {
			continue
		}
		if err := a.chain(ctx, item.ID); err != nil {
			return err
		}
		m.Items = append(m.Items, exhibit.Item{
			ID: item.ID, N: i + 1, Kind: string(item.Kind), State: string(item.State), Events: len(a.chains[item.ID]),
		})
	}
	w := exhibit.NewWriter(to, m)
	for _, item := range a.items {
		for _, kind := range a.copies(item) {
			if exhibit.DigestOf(a.chains[item.ID], string(kind)) == "" {
				continue // nothing could be shown of it
			}
			if err := a.add(ctx, w, item, kind); err != nil {
				return err
			}
		}
	}
	signer, err := a.s.Audit.Signer()
	if err != nil {
		return err
	}
	return w.Finish(a.chains, a.last.Note, signer)
}

// chain reads the chain of an item with the proofs of its links.
func (a *archive) chain(ctx context.Context, item string) error {
	return a.s.events(ctx, a.tenant, item, func(e casefile.CustodyEvent) error {
		proof, err := a.s.Audit.Prove(ctx, a.last, linkLeaf(e), exhibit.StatementOf(e))
		if err != nil {
			return fmt.Errorf("prove a link: %w", err)
		}
		a.chains[item] = append(a.chains[item], exhibit.Link{Event: e, Proof: proof})
		return nil
	})
}

// add writes one file. Its digest is what the chain says of it.
func (a *archive) add(ctx context.Context, w *exhibit.Writer, item casefile.Evidence, kind casefile.CopyKind) error {
	open := func() (Original, error) { return a.s.readCopy(ctx, a.at, item, kind) }
	if kind == casefile.OriginalCopy {
		open = func() (Original, error) { return a.s.readOriginal(ctx, a.at, item) }
	}
	file, err := open()
	if err != nil {
		return err
	}
	err = w.Add(exhibit.File{
		Path: exhibit.Path(item.ID, string(kind), extensionOf(file.Type)), Item: item.ID, Copy: string(kind), Type: file.Type,
	}, exhibit.DigestOf(a.chains[item.ID], string(kind)), file)
	return errors.Join(err, file.Close())
}

// extensionOf is how the name of a file of a type ends.
func extensionOf(kind string) string {
	known := map[string]string{
		"image/jpeg": "jpg", "image/png": "png", "image/webp": "webp", "image/heic": "heic", "video/mp4": "mp4",
		"video/quicktime": "mov", "video/webm": "webm", "video/3gpp": "3gp", "audio/mp4": "m4a", "audio/aac": "aac", "audio/amr": "amr",
		"audio/wav": "wav", "audio/mpeg": "mp3", "audio/ogg": "ogg", "application/pdf": "pdf",
	}
	if ext, ok := known[kind]; ok {
		return ext
	}
	return "bin"
}
