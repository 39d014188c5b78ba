package casefile

import (
	"slices"
	"time"
)

// Hold (封存) keeps a report as it is: while one is in force nothing of the
// report is sealed away or erased (保全).
type Hold struct {
	ID       string `bson:"id" json:"id"`
	Reason   string `bson:"reason" json:"reason"`
	SetBy    string `bson:"set_by" json:"setBy"` // person
	SetOn    string `bson:"set_on" json:"setOn"` // day
	LiftedBy string `bson:"lifted_by" json:"liftedBy,omitempty"`
	LiftedOn string `bson:"lifted_on" json:"liftedOn,omitempty"`
	Why      string `bson:"why" json:"why,omitempty"` // it was lifted
}

// Strongbox (封存箱) is where keys of a report are put that both rings take out
// again and nobody else. It is made when the first is.
type Strongbox struct {
	Recipient string `bson:"recipient"` // hybrid age recipient; "" before it is made
	File      []byte `bson:"file"`      // age(ring B, age(ring A, private half))
	Inner     string `bson:"inner"`     // SHA-256 of ring A's layer, hex
}

// Archive (归档) is what a report's sender said, sealed away to the rings when
// the time to object was over. All of it but the envelope's copy of the old key
// is written with the report, in one write.
type Archive struct {
	On     string `bson:"on"`     // day; "" while the server can read the report
	Keys   []byte `bson:"keys"`   // those that were not sealed away with their items, put into the strongbox
	Key    []byte `bson:"key"`    // the data key since, wrapped for the envelope's id
	Kept   []byte `bson:"kept"`   // ArchiveKept under that key
	Before int    `bson:"before"` // messages of the dialogue that are sealed away
}

// ArchiveKept is the clear form of Archive.Kept: what the server goes on
// needing of what was sealed away.
type ArchiveKept struct {
	Mode         Mode              `json:"mode"`
	Salt         []byte            `json:"salt"`
	Calculations map[string][]byte `json:"calculations"` // of awards, JSON by award id
}

// Held says whether a hold is in force, on the report or on an item of it.
func (r *Report) Held() bool {
	return slices.ContainsFunc(r.Holds, func(h Hold) bool { return h.LiftedOn == "" }) ||
		slices.ContainsFunc(r.Evidence, func(e Evidence) bool { return e.Held })
}

// Archived says whether what the sender said was sealed away to the rings.
func (r *Report) Archived() bool { return r.Archive.On != "" }

// Ended are the states in which a report can be archived and erased.
func Ended() []State { return []State{ReportClosed, ReportWithdrawn, ReportRejected} }

// Class (保管期限类别) of an ended report, by how it ended.
type Class string

// The classes.
const (
	ClassRejected        Class = "rejected"        // not taken up
	ClassWithdrawn       Class = "withdrawn"       // by the reporter
	ClassUnsubstantiated Class = "unsubstantiated" // nothing was found
	ClassSubstantiated   Class = "substantiated"   // something was
	ClassRewarded        Class = "rewarded"        // and a reward was paid
)

// Class returns the class of a report as it ended.
func (r *Report) Class(rewarded bool) Class {
	switch {
	case r.State == ReportRejected:
		return ClassRejected
	case r.State == ReportWithdrawn:
		return ClassWithdrawn
	case rewarded:
		return ClassRewarded
	case slices.ContainsFunc(r.Allegations, func(a Allegation) bool { return a.Finding.Upheld() }):
		return ClassSubstantiated
	}
	return ClassUnsubstantiated
}

// Erase takes out of a report all that was said in it and to its reporter. What
// stays is for statistics, and for who asks behind the receipt: number, days,
// area, matters, findings and how it ended. Day makes a time the beginning of
// its day: at what time of day somebody reported goes as well.
func (r *Report) Erase(day func(time.Time) time.Time) {
	if r.State != ReportErasing && r.State != ReportErased {
		r.EndedAs = r.State
	}
	for i := range r.Allegations {
		r.Allegations[i].Brief = ""
	}
	r.Envelope, r.Sealed, r.BodyTag, r.Binding, r.InnerHash = "", nil, "", "", ""
	r.Archive, r.Strongbox, r.Evidence, r.Target, r.Brief, r.Tasks = Archive{}, Strongbox{}, nil, Target{}, "", nil
	r.Refusal.Sealed, r.Conclusion.Record, r.Reply, r.Behind = nil, "", Reply{}, Behind{}
	r.At, r.DecideBy, r.ConcludeBy = day(r.At), time.Time{}, time.Time{}
	for i := range r.Timeline {
		r.Timeline[i].At = day(r.Timeline[i].At)
	}
	for i := range r.Holds {
		r.Holds[i].Reason, r.Holds[i].Why = "", ""
	}
}

// Erasure (销毁记录) is an effect: what lies outside the report is destroyed.
type Erasure struct {
	Envelope string `bson:"envelope"`
	// Key says that only the envelope's copy of the data key is destroyed: the
	// rings have it.
	Key bool   `bson:"key"`
	Day string `bson:"day"`
}
