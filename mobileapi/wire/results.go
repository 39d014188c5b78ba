package wire

import "gridwatch/server/casefile"

// Results (结果公示) are the batches that were released, oldest first.
type Results struct {
	Batches []ResultBatch `json:"batches"`
}

// ResultBatch is what was found and dealt with up to the end of a month.
type ResultBatch struct {
	Month   string                     `json:"month"`
	Results []casefile.PublishedResult `json:"results"`
}

// FromBatches shows what was released.
func FromBatches(all []casefile.Batch) Results {
	out := Results{Batches: []ResultBatch{}}
	for _, b := range all {
		out.Batches = append(out.Batches, ResultBatch{Month: b.Month, Results: b.Results})
	}
	return out
}
