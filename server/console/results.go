package console

import (
	"context"

	"gridwatch/server/casefile"
	"gridwatch/server/web"
	"gridwatch/server/workflow"
)

// batch is a batch of results before and after its release.
type batch struct {
	batchRow

	Results  []casefile.PublishedResult `json:"results"`
	Timeline []event                    `json:"timeline"`
}

type batchRow struct {
	head

	Month string `json:"month"` // the last one in it
	Count int    `json:"count"`
}

func newBatchRow(b *casefile.Batch) batchRow {
	return batchRow{head: newHead(&b.Head), Month: b.Month, Count: len(b.Results)}
}

func newBatch(_ *web.Request, b *casefile.Batch) batch {
	return batch{batchRow: newBatchRow(b), Results: whole(b.Results), Timeline: newTimeline(b.Timeline)}
}

// batchOf is the body of POST /v1/office/results.
type batchOf struct {
	Month string `json:"month"`
}

// prepareResults serves POST /v1/office/results.
func prepareResults(s *workflow.Service) web.Handler {
	return create(func(ctx context.Context, c workflow.Call, in batchOf) (casefile.Outcome, error) {
		return s.PrepareResults(ctx, c, in.Month)
	})
}
