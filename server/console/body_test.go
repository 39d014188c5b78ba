package console

import (
	"cmp"
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"gridwatch/schemas"
	"gridwatch/server/casefile"
	"gridwatch/server/vault"
	"gridwatch/server/workflow"
)

const (
	anID   = `"00112233445566778899aabbccddeeff"`
	aSum   = `"00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"`
	aPlace = `{"lon":126.5,"lat":44.8,"datum":"gcj02","accuracyM":8,"provider":"gps","fixedAt":"2026-03-02T09:00:00+08:00"}`
	aTime  = `"2026-03-02T09:00:00+08:00"`
	found  = `[{"ref":` + anID + `,"finding":"PARTIAL","text":"有"}]`
)

var (
	aSig    = `"` + strings.Repeat("A", 86) + `=="`
	aKey    = `"` + strings.Repeat("A", 43) + `="`
	aHolder = `{"recipient":"age1pq1qqq","verify":` + aKey + `}`
)

// bodies has for every schema a body with all it allows, and what the handler
// reads it into.
func bodies() map[string]struct {
	full string
	into any
} {
	return map[string]struct {
		full string
		into any
	}{
		"office-refusal":    {`{"reason":"unclear","text":"无"}`, &workflow.Refusal{}},
		"office-target":     {`{"place":` + aPlace + `,"name":"厂"}`, &workflow.Target{}},
		"office-brief":      {`{"text":"查","items":[{"ref":` + anID + `,"text":"查一"}]}`, &workflow.Brief{}},
		"office-assignment": {`{"persons":["p1"],"due":` + aTime + `,"imminent":true}`, &workflow.Assignment{}},
		"office-conclusion": {`{"record":"书","findings":` + found + `}`, &workflow.Conclusion{}},
		"office-message":    {`{"text":"问","attachments":[` + anID + `]}`, &workflow.DeskMessage{}},
		"office-reply":      {`{"conclusion":"属实","facts":"事","decision":"罚","reward":"有"}`, &casefile.Reply{}},
		"office-task": {
			`{"persons":["p1"],"place":` + aPlace + `,"placeName":"厂","brief":"巡","items":["门"],"due":` + aTime + `}`,
			&workflow.PatrolPlan{},
		},
		"office-inspection": {
			`{"task":` + anID + `,"on":` + aTime + `,"place":` + aPlace + `,"party":"厂","record":"录","findings":` + found +
				`,"unit":{"signed":true,"by":"厂长","refusal":"拒","reportedTo":"局"}}`, &workflow.InspectionRecord{},
		},
		"office-hazard":     {`{"visit":` + anID + `,"item":` + anID + `,"text":"隐"}`, &workflow.FoundHazard{}},
		"office-triage":     {`{"grade":"major","catalogue":{"catalogue":"a","version":"1","item":"2"}}`, &workflow.Triage{}},
		"office-order":      {`{"officers":["e1","e2"],"measures":"改","deadline":` + aTime + `}`, &workflow.Order{}},
		"office-proof":      {`{"proof":"已改"}`, &proof{}},
		"office-recheck":    {`{"ok":true}`, &recheck{}},
		"office-penalty":    {`{"visit":` + anID + `}`, &filed{}},
		"office-notice":     {`{"told":"告","heard":"辩"}`, &workflow.Notice{}},
		"office-payment":    {`{"fen":1000000000000000,"ticket":"t"}`, &workflow.Receipt{}},
		"office-decision":   {`{"reason":"由","lines":[{"violation":"a","article":"b","kind":"unit","party":"c","fen":1,"items":[` + anID + `]}]}`, &workflow.Decision{}},
		"office-award":      {`{"report":` + anID + `,"matter":"illegal_act","knownBefore":true,"earlierReviewed":"阅","clearTarget":true,"exclusions":["instructed"],"accident":{"grade":"major","deaths":3,"concealedDeaths":2}}`, &workflow.AwardDraft{}},
		"office-reason":     {`{"reason":"facts_unclear"}`, &reason{}},
		"office-filing":     {`{"reference":"吉应急备〔2026〕1号"}`, &filing{}},
		"office-payout":     {`{"awards":[` + anID + `]}`, &drawn{}},
		"office-settlement": {`{"ticket":"t","failed":[{"award":` + anID + `,"reason":"account_closed"}]}`, &workflow.Settlement{}},
		"office-allocation": {`{"paper":"榆财〔2026〕1号","fen":5000000}`, &allocated{}},
		"custody-request":   {`{"award":` + anID + `,"purpose":"reward_payment","basis":"第76条","hours":24}`, &workflow.OpeningRequest{}},
		"custody-key":       {`{"recipient":"age1pq1qqq"}`, &onceKey{}},
		"custody-layer":     {`{"requestId":` + anID + `,"wrapped":"QUFB","innerDigest":` + aSum + `,"wrappedDigest":` + aSum + `,"signature":` + aSig + `}`, &vault.PeeledLayer{}},
		"custody-outcome":   {`{"requestId":` + anID + `,"result":"opened","signature":` + aSig + `}`, &vault.Outcome{}},
		"custody-denial":    {`{"reason":"无"}`, &denial{}},
		"office-hold":       {`{"reason":"法院调取"}`, &denial{}},
		"office-lifting":    {`{"hold":` + anID + `,"reason":"已结案"}`, &workflow.Lifting{}},
		"office-results":    {`{"month":"2026-01"}`, &batchOf{}},
		"office-lead":       {`{"item":` + anID + `,"file":"penalty","record":` + anID + `,"reason":"需"}`, &workflow.LeadRequest{}},
		"office-release":    {`{"crop":{"x":1,"y":2,"w":3,"h":4},"hide":[{"x":1,"y":2,"w":3,"h":4,"pixelate":true}],"onSite":true}`, &released{}},
		"office-posts":      {`{"posts":[{"role":"leader","area":"220182000000","from":` + aTime + `,"to":` + aTime + `}]}`, &newPosts{}},
		"office-access":     {`{"disabled":true}`, &access{}},
		"session-tie":       {`{"area":"220182100000","firm":"厂厂"}`, &workflow.NearTo{}},
		"office-policy": {
			`{"decideDays":1,"concludeDays":2,"taskHours":3,"payDays":4,"repeatHours":5,"openingHours":6,"maxItems":7,
			"serviceDays":8,"objectionDays":9,"recheckDays":10,"maxManifest":11,"maxMessages":12,"leadDays":13,"attachmentDays":14,"reporterVoice":"disguise","mediaMinutes":14,"mediaMegapixels":15,"mediaStreams":16,"mediaPages":17,"copyMinutes":18,"suppressUnder":14,"figuresDays":15,"resultsMin":16,"resultsShare":17,"payoutMin":3,"payoutDay":25,"payoutMemo":"款","approvalUses":16,"approvalDays":17,"contactHours":18,"coverHours":16,"coverFrom":7,"coverTo":19,"coverTasks":3,
			"uploadHours":19,"photoMiB":20,"videoMiB":21,"audioMiB":22,"documentMiB":23,
			"evidenceDays":24,"hazardEvidenceDays":61,"caseEvidenceDays":62,"accidentEvidenceDays":63,"recordingDays":25,"caseRecordingDays":26,"maxRecordings":27,"maxSegments":28,"plainViews":true,"doubts":{"accuracyM":1,"farM":2,"apartM":3,"skewS":4,"pictureBits":5,"editors":["x"]},
			"secondFactor":["leader"]}`,
			&workflow.Policy{},
		},
		"ring-founding":   {`{"recipient":"age1pq1qqq","officer":` + aHolder + `,"share":"QUFB","recovery":` + aHolder + `,"wrapped":"QUFB","signature":` + aSig + `}`, &workflow.RingFounding{}},
		"ring-key":        {aHolder, &casefile.RingHolder{}},
		"ring-proof":      {`{"nonce":` + aKey + `,"signature":` + aSig + `}`, &vault.Proof{}},
		"ring-admission":  {`{"person":"p","shares":[{"version":1,"wrapped":"QUFB"}],"signature":` + aSig + `}`, &workflow.Admission{}},
		"ring-witnessing": {`{"person":"p","signature":` + aSig + `}`, &workflow.Witnessing{}},
		"ring-leaving":    {`{"person":"p","version":2,"recipient":"age1pq1qqq","shares":[{"person":"q","wrapped":"QUFB"}],"wrapped":"QUFB","signature":` + aSig + `}`, &workflow.Leaving{}},
		"ring-offer":      {`{"recovery":` + aHolder + `,"shares":[{"version":1,"wrapped":"QUFB"}],"version":2,"recipient":"age1pq1qqq","held":[{"person":"q","wrapped":"QUFB"}],"wrapped":"QUFB","signature":` + aSig + `}`, &workflow.RecoveryOffer{}},
		"ring-exchange":   {`{"proof":{"nonce":` + aKey + `,"signature":` + aSig + `},"signature":` + aSig + `}`, &workflow.RecoveryExchange{}},
		"ring-check":      {`{"day":"2026-03-02","readable":3,"unreadable":1,"swapped":1,"signature":` + aSig + `}`, &workflow.DayCheck{}},
		"seal-fault":      {`{"result":"swapped"}`, &sealFault{}},

		"custody-approval": {
			`{"id":` + anID + `,"purpose":"notice","basis":"第76条","way":"gateway","gateway":"age1pq1qqq","uses":3,"expires":` + aTime + `,"signature":` + aSig + `}`,
			&workflow.StandingApproval{},
		},
		"custody-contact":         {`{"approval":` + anID + `,"report":` + anID + `,"way":"terminal"}`, &workflow.ContactRequest{}},
		"custody-handover":        {`{"requestId":` + anID + `,"sealed":"QUFB","signature":` + aSig + `}`, &vault.Handover{}},
		"custody-contact-outcome": {`{"requestId":` + anID + `,"result":"failed","signature":` + aSig + `}`, &vault.ContactOutcome{}},
	}
}

// others have, where no body can hold all that a schema allows, another one.
func others() map[string]string {
	return map[string]string{"custody-request": `{"report":` + anID + `,"purpose":"call_back","basis":"第76条","hours":24}`}
}

// What a schema takes, the use case gets: every field of a full body lands in
// a field of the input.
func TestBodies(t *testing.T) {
	t.Parallel()
	all := bodies()
	for _, r := range Routes(Deps{Service: workflow.New(workflow.Deps{})}) {
		if _, ok := all[r.Body]; r.Body != "" && !ok {
			t.Errorf("got no body to try %s with", r.Body)
		}
	}
	for name, b := range all {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, body := range []string{b.full, cmp.Or(others()[name], b.full)} {
				if found, err := schemas.Validate(name, []byte(body)); err != nil || len(found) > 0 {
					t.Fatalf("got %v, %v, want a body that fits", found, err)
				}
				d := json.NewDecoder(strings.NewReader(body))
				d.DisallowUnknownFields()
				if err := d.Decode(b.into); err != nil {
					t.Fatal(err)
				}
			}
			v := reflect.ValueOf(b.into).Elem()
			for i := range v.NumField() {
				if f := v.Type().Field(i); v.Field(i).IsZero() && f.Tag.Get("json") != "-" {
					t.Errorf("got nothing in %s.%s", v.Type(), f.Name)
				}
			}
			var fields map[string]json.RawMessage
			if err := json.Unmarshal([]byte(b.full), &fields); err != nil {
				t.Fatal(err)
			}
			fields["other"] = json.RawMessage(`1`)
			more, err := json.Marshal(fields)
			if err != nil {
				t.Fatal(err)
			}
			if found, err := schemas.Validate(name, more); err != nil || len(found) == 0 {
				t.Errorf("got %v, %v, want a fault for an unknown field", found, err)
			}
		})
	}
}

func TestBodiesRefused(t *testing.T) {
	t.Parallel()
	tests := map[string]struct{ schema, body, field, code string }{
		"unknown reason":        {"office-refusal", `{"reason":"because","text":"无"}`, "/reason", "body.enum"},
		"text too long":         {"office-refusal", `{"reason":"other","text":"` + strings.Repeat("长", 5001) + `"}`, "/text", "body.too_long"},
		"no allegation":         {"office-brief", `{"text":"a","items":[]}`, "/items", "body.too_few"},
		"person twice":          {"office-assignment", `{"persons":["a","a"]}`, "/persons", "body.not_unique"},
		"unknown finding":       {"office-conclusion", `{"record":"a","findings":[{"ref":` + anID + `,"finding":"TRUE"}]}`, "/findings/0/finding", "body.enum"},
		"one officer":           {"office-order", `{"officers":["a"],"measures":"a","deadline":` + aTime + `}`, "/officers", "body.too_few"},
		"time without offset":   {"office-assignment", `{"persons":["a"],"due":"2026-03-02T09:00:00"}`, "/due", "body.format"},
		"no fen":                {"office-payment", `{"fen":0,"ticket":"t"}`, "/fen", "body.range"},
		"too many fen":          {"office-allocation", `{"paper":"a","fen":1000000000000001}`, "/fen", "body.range"},
		"part of a fen":         {"office-payment", `{"fen":1.5,"ticket":"t"}`, "/fen", "body.type"},
		"line break in a label": {"office-filing", `{"reference":"a\nb"}`, "/reference", "body.format"},
		"reason not a code":     {"office-reason", `{"reason":"张三"}`, "/reason", "body.format"},
		"line with its own id":  {"office-decision", `{"reason":"a","lines":[{"id":"1","violation":"a","article":"b","kind":"unit","party":"c","fen":1,"items":[` + anID + `]}]}`, "/lines/0", "body.unknown_field"},
		"classic recipient":     {"custody-key", `{"recipient":"age1qqq"}`, "/recipient", "body.format"},
		"unknown purpose":       {"custody-request", `{"award":` + anID + `,"purpose":"curiosity","basis":"a","hours":1}`, "/purpose", "body.enum"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			found, err := schemas.Validate(tt.schema, []byte(tt.body))
			if err != nil || len(found) != 1 || found[0].Field != tt.field || found[0].Code != tt.code {
				t.Errorf("got %+v, %v, want %s at %s", found, err, tt.code, tt.field)
			}
		})
	}
}
