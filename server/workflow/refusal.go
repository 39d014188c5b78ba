package workflow

import (
	"cmp"
	"context"

	"gridwatch/server/casefile"
	"gridwatch/server/fault"
)

// refused says whether an error is a step that was refused, as against one that
// could not be made.
func refused(err error) bool {
	kind := fault.KindOf(err)
	return err != nil && (kind == fault.Invalid || kind == fault.Conflict)
}

// noteRefusal puts a step that was refused on the record and into the log:
// whoever tried alone, twice, too late or with another's layer is seen there.
// Where the record hangs on no report, the step's report is given.
func noteRefusal[T any, P record[T]](
	ctx context.Context, s *Service, of Records[T], table casefile.Table, actor casefile.Actor, id, report string, refusal error,
) error {
	for range maxTries {
		rec, err := of.Get(ctx, actor.Tenant, id)
		if err != nil {
			return err
		}
		_, err = move(ctx, s, P(rec), of, table, casefile.Event{
			At: s.now(), Command: "refused", By: actor.Name(), Code: fault.CodeOf(refusal), Ref: report,
		}, func(p P, e *casefile.Event) ([]casefile.Effect, error) {
			return s.logged(ctx, cmp.Or(report, p.Subject().Report), p.Header(), table, *e, nil)
		})
		if fault.CodeOf(err) != "record.stale" {
			return err
		}
	}
	return nil // the record is busy with what was not refused
}
