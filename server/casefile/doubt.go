package casefile

// DoubtRule is what an item of evidence is looked at for.
type DoubtRule string

// The rules. None refuses anything: staff read what they find and decide.
const (
	DoubtAccuracy DoubtRule = "accuracy"     // the position has no accuracy, or a bad one
	DoubtMock     DoubtRule = "mock"         // the device says that its position is made up
	DoubtPlace    DoubtRule = "place"        // outside the grid, or far from the place of the task
	DoubtApart    DoubtRule = "apart"        // the picture's place is not the device's
	DoubtBefore   DoubtRule = "before_task"  // taken before the task was given
	DoubtAfter    DoubtRule = "after_saving" // taken after it was saved
	DoubtSkew     DoubtRule = "clock"        // the device's clock is off
	DoubtSoftware DoubtRule = "software"     // written by a program that changes pictures

	DoubtSameFile    DoubtRule = "same_file"    // byte for byte one that was kept for another task
	DoubtSamePicture DoubtRule = "same_picture" // like one taken for another task
)

// DoubtVerdict is what a rule finds.
type DoubtVerdict string

// The verdicts.
const (
	NoDoubt  DoubtVerdict = "clear"
	InDoubt  DoubtVerdict = "doubt"
	NotKnown DoubtVerdict = "unknown" // the file or its sender does not say
)

// Doubt (疑点) is one rule, what it looked at and what it found.
type Doubt struct {
	Rule    DoubtRule      `json:"rule"`
	Verdict DoubtVerdict   `json:"verdict"`
	Inputs  map[string]any `json:"inputs"`
}
