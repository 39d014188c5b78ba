package workflow

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode"

	"gridwatch/media/copies"
	"gridwatch/schemas/catalog/policy"
	"gridwatch/server/casefile"
	"gridwatch/server/fault"
)

// DefaultPolicy is what a tenant begins with (schemas/catalog/policy).
func DefaultPolicy() (Policy, error) {
	text, err := policy.Files.ReadFile("default.json")
	if err != nil {
		return Policy{}, err
	}
	var file struct {
		Policy json.RawMessage `json:"policy"`
	}
	if err := json.Unmarshal(text, &file); err != nil {
		return Policy{}, fmt.Errorf("policy default.json: %w", err)
	}
	return Policy{}.with(file.Policy)
}

// maxItems is how many files a form can have (mobileapi's limit of a body).
const maxItems = 20

// maxTaken is how many uses the record of an approval can hold.
const maxTaken = 1000

// maxCover is how many patrols a verification can be bundled with.
const maxCover = 10

// maxPayout is how many awards go to the bank together (schema office-payout).
const maxPayout = 30

// maxPayoutDay is the last day that every month has.
const maxPayoutDay = 28

// check refuses numbers that could not be meant.
func (p Policy) check() error {
	numbers := map[string]int{
		"decideDays": p.DecideDays, "concludeDays": p.ConcludeDays, "taskHours": p.TaskHours, "payDays": p.PayDays,
		"repeatHours": p.RepeatHours, "openingHours": p.OpeningHours, "maxItems": p.MaxItems,
		"approvalUses": p.ApprovalUses, "approvalDays": p.ApprovalDays, "contactHours": p.ContactHours,
		"serviceDays": p.ServiceDays, "objectionDays": p.ObjectionDays, "recheckDays": p.RecheckDays,
		"hazardEvidenceDays": p.HazardEvidenceDays, "caseEvidenceDays": p.CaseEvidenceDays, "accidentEvidenceDays": p.AccidentEvidenceDays,
		"recordingDays": p.RecordingDays, "caseRecordingDays": p.CaseRecordingDays,
		"maxRecordings": p.MaxRecordings, "maxSegments": p.MaxSegments,
		"maxManifest": p.MaxManifest, "maxMessages": p.MaxMessages, "leadDays": p.LeadDays, "attachmentDays": p.AttachmentDays,
		"uploadHours": p.UploadHours, "photoMiB": p.PhotoMiB, "videoMiB": p.VideoMiB, "audioMiB": p.AudioMiB, "documentMiB": p.DocumentMiB,
		"suppressUnder": p.SuppressUnder, "figuresDays": p.FiguresDays, "resultsMin": p.ResultsMin, "resultsShare": p.ResultsShare, "payoutMin": p.PayoutMin,
		"mediaMinutes": p.MediaMinutes, "mediaMegapixels": p.MediaMegapixels, "mediaStreams": p.MediaStreams,
		"mediaPages": p.MediaPages, "copyMinutes": p.CopyMinutes,
	}
	for _, name := range slices.Sorted(maps.Keys(numbers)) {
		if numbers[name] < 1 {
			return fault.New(fault.Invalid, "policy.number", "every number of a policy is at least 1").At("/policy/" + name)
		}
	}
	if p.CoverHours < 0 || p.CoverTasks < 0 || p.CoverTasks > maxCover {
		return fault.New(fault.Invalid, "policy.cover", "a cover is at least 0 hours and 0 to %d patrols", maxCover).At("/policy/coverHours")
	}
	if p.CoverHours > 0 && (p.CoverFrom < 0 || p.CoverTo > 24 || p.CoverFrom >= p.CoverTo) {
		return fault.New(fault.Invalid, "policy.cover_day", "tasks are handed out from one hour of the day to a later one, 0 to 24").At("/policy/coverFrom")
	}
	if !slices.Contains([]copies.Voice{"", copies.Mute, copies.Disguise, copies.Keep}, p.ReporterVoice) {
		return fault.New(fault.Invalid, "policy.voice", "a reporter's voice is mute, disguise or keep").At("/policy/reporterVoice")
	}
	if p.PayoutDay < 0 || p.PayoutDay > maxPayoutDay {
		return fault.New(fault.Invalid, "policy.payout_day", "awards are paid on a day that every month has, 1 to %d, or 0 for none", maxPayoutDay).At("/policy/payoutDay")
	}
	if p.PayoutMin > maxPayout {
		return fault.New(fault.Invalid, "policy.number", "a payout has at most %d awards", maxPayout).At("/policy/payoutMin")
	}
	if p.PayoutMemo == "" || strings.ContainsFunc(p.PayoutMemo, unicode.IsDigit) {
		return fault.New(fault.Invalid, "policy.payout_memo", "the memo of payments is a few words, the same for all, without a number").At("/policy/payoutMemo")
	}
	for _, role := range p.SecondFactor {
		if !slices.Contains(casefile.StaffRoles(), role) {
			return fault.New(fault.Invalid, "policy.unknown_role", "a second factor is asked of known roles").At("/policy/secondFactor")
		}
	}
	if p.ApprovalUses > maxTaken {
		return fault.New(fault.Invalid, "policy.number", "an approval is for at most %d uses", maxTaken).At("/policy/approvalUses")
	}
	if p.MaxSegments > maxTaskSegments {
		return fault.New(fault.Invalid, "policy.number", "a recording has at most %d segments", maxTaskSegments).At("/policy/maxSegments")
	}
	if p.MaxItems > maxItems {
		return fault.New(fault.Invalid, "policy.number", "a form has at most %d files", maxItems).At("/policy/maxItems")
	}
	return nil
}

// with returns the policy with the numbers that a JSON object changes.
func (p Policy) with(change []byte) (Policy, error) {
	was := p.SecondFactor
	p.SecondFactor = nil // a list is replaced, not written over
	p.Doubts.Editors = slices.Clone(p.Doubts.Editors)
	d := json.NewDecoder(bytes.NewReader(change))
	d.DisallowUnknownFields()
	if err := d.Decode(&p); err != nil {
		return p, fault.New(fault.Invalid, "policy.unknown", "a policy has the numbers that GET /v1/office/policy shows")
	}
	if p.SecondFactor == nil {
		p.SecondFactor = was
	}
	return p, p.check()
}
