package wire_test

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"gridwatch/mobileapi/wire"
	"gridwatch/schemas"
	"gridwatch/server/casefile"
	"gridwatch/server/grid"
	"gridwatch/server/vault"
	"gridwatch/server/web"
	"gridwatch/server/workflow"
)

const id = "0123456789abcdef0123456789abcdef"

func place() *grid.Place {
	return &grid.Place{Lon: 126.5, Lat: 44.8, Datum: grid.DatumBD09, AccuracyM: 5, Provider: "gps"}
}

// What the types can say the schemas take, every value of casefile's and
// vault's lists included.
func TestSchemas(t *testing.T) {
	t.Parallel()
	matters := []casefile.Matter{casefile.MajorHazard, casefile.IllegalAct, casefile.ConcealedAccident}
	var bodies []any
	for _, mode := range []casefile.Mode{casefile.Anonymous, casefile.ByCode, casefile.Contactable, casefile.RealName} {
		for _, relation := range []vault.Relation{vault.RelationNone, vault.RelationEmployee, vault.RelationFamily, vault.RelationInformant} {
			in := wire.Report{
				Mode: mode, Narrative: "n", TargetText: "t", Target: place(), Stood: place(),
				Identity: &wire.Identity{
					Name: "n", IDNumber: "1", Employer: "e", Relation: relation, PayeeName: "n", PayeeBank: "b", PayeeAccount: "1",
				},
				Contact: &wire.Contact{Kind: "phone", Value: "1"}, Sealed: &wire.Sealed{InnerDigest: id + id, Binding: id, Rings: 1},
				Evidence: []wire.DeclaredDigest{{SHA256: id + id}}, Password: "12345678",
			}
			for _, m := range matters {
				in.Allegations = append(in.Allegations, wire.Allegation{Matter: m, Text: "t"})
			}
			bodies = append(bodies, in)
		}
	}
	result := wire.Result{Note: "n", Position: *place(), WhyOutside: "w", Mock: true, Clock: &wire.Clock{}, PhotoIDs: []string{id}}
	for _, f := range []casefile.Finding{casefile.Substantiated, casefile.Partial, casefile.Unsubstantiated, casefile.Unable} {
		result.Findings = append(result.Findings, wire.Finding{Ref: id, Finding: f, Text: "t"})
	}
	item := wire.AnnounceItem{Kind: casefile.Photo, Size: 1, SHA256: id + id}
	bodies = append(bodies, wire.Announce{Items: []wire.AnnounceItem{item}}, wire.AnnounceTaken{
		Items: []wire.TakenItem{{AnnounceItem: item, PhotoID: id}}, Captured: wire.Captured{Position: place(), Mock: true, Clock: &wire.Clock{}},
	})
	bodies = append(bodies, wire.OpenRecording{Kind: casefile.Video}, wire.CloseRecording{Segments: 1}, wire.Segment{
		N: 1, Size: 1, SHA256: id + id, DurationMS: 1, Captured: wire.Captured{Position: place(), Mock: true, Clock: &wire.Clock{}},
	})
	bodies = append(bodies, result, wire.OpenReceipt{Code: "1"}, wire.PutDevice{Token: "t"},
		wire.OpenSession{Tenant: "county", Login: "l", Password: "p", Device: id}, wire.RefreshSession{Refresh: "r", Device: id},
		wire.WriteMessage{Text: "t"}, wire.Withdraw{Pressed: true, Text: "t"}, wire.Close{ForfeitAward: true},
		wire.Exchange{Code: "1", Password: "12345678"}, wire.ClaimByCode{Password: "12345678"})
	names := map[string]string{
		"wire.Report": "report-submit", "wire.Result": "task-result", "wire.OpenReceipt": "receipt-session",
		"wire.OpenSession": "session-open", "wire.RefreshSession": "session-refresh", "wire.PutDevice": "device",
		"wire.WriteMessage": "receipt-message", "wire.Withdraw": "receipt-withdrawal", "wire.Close": "receipt-closing",
		"wire.Exchange": "receipt-exchange", "wire.Announce": "upload-announce", "wire.AnnounceTaken": "task-announce", "wire.ClaimByCode": "receipt-claim",
		"wire.OpenRecording": "recording-open", "wire.Segment": "recording-segment", "wire.CloseRecording": "recording-close",
	}
	for _, body := range bodies {
		text, err := json.Marshal(body)
		if err != nil {
			t.Fatal(err)
		}
		found, err := schemas.Validate(names[fmt.Sprintf("%T", body)], text)
		if err != nil || len(found) > 0 {
			t.Errorf("%T: got %v, %v", body, found, err)
		}
	}
}

// The longest identity and contact that the schema takes stay in the first size
// class, so that a real one looks like a dummy.
func TestLongestIdentityFits(t *testing.T) {
	t.Parallel()
	key := func(ring vault.Ring) string {
		k, err := vault.NewOfficerKey(ring, "demo officer", strings.NewReader(strings.Repeat("s", 64)))
		if err != nil {
			t.Fatal(err)
		}
		return k.Public().Recipient
	}
	rings, err := vault.ParseRings([]string{key(vault.RingA)}, []string{key(vault.RingB)})
	if err != nil {
		t.Fatal(err)
	}
	long := strings.Repeat("举", 100)
	full := wire.Report{
		Identity: &wire.Identity{
			Name: long, IDNumber: strings.Repeat("1", 30), Employer: long, Relation: vault.RelationInformant,
			PayeeName: long, PayeeBank: long, PayeeAccount: strings.Repeat("1", 40),
		},
		Contact: &wire.Contact{Kind: "phone", Value: long},
	}.Submission()
	length := func(i vault.Identity, c vault.Contact) [2]int {
		i.Binding, c.Binding = id, id
		identity, err := vault.SealIdentity(rings, i)
		if err != nil {
			t.Fatal(err)
		}
		contact, err := vault.SealContact(rings, c)
		if err != nil {
			t.Fatal(err)
		}
		return [2]int{len(identity.File), len(contact.File)}
	}
	if got, want := length(*full.Identity, *full.Contact), length(vault.Identity{Relation: vault.RelationNone}, vault.Contact{}); got != want {
		t.Errorf("got lengths %v, want %v", got, want)
	}
}

func TestPersonsDoNotPrint(t *testing.T) {
	t.Parallel()
	identity, contact := wire.Identity{Name: "canary"}, wire.Contact{Value: "canary"}
	in := wire.Report{Identity: &identity, Contact: &contact}
	var log strings.Builder
	slog.New(slog.NewTextHandler(&log, nil)).LogAttrs(t.Context(), slog.LevelInfo, "m",
		slog.Any("identity", identity), slog.Any("contact", &contact), slog.Any("report", in))
	said := log.String()
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x"} {
		said += fmt.Sprintf(verb+verb+verb+verb, identity, contact, &identity, in)
	}
	if strings.Contains(said, "canary") || strings.Contains(said, fmt.Sprintf("%x", "canary")) {
		t.Errorf("got %s", said)
	}
}

func TestFromReceipt(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 3, 4, 16, 30, 0, 0, time.UTC) // the 5th in China
	opening := func(state casefile.State, result casefile.OpeningResult) casefile.Opening {
		return casefile.Opening{
			Head: casefile.Head{ID: "canary", State: state, At: at}, Purpose: casefile.RewardPayment, Result: result,
			RingA: "canary", RingB: "canary", Basis: "canary", DenialReason: "canary",
		}
	}
	r := &casefile.Report{Number: "2026-AAAAA-BBBBB", Brief: "canary", Area: "canary", Refusal: casefile.Refusal{Reason: "not_ours"}}
	r.State, r.At, r.ID = casefile.ReportReplied, at, "canary"
	r.Reply = casefile.Reply{Conclusion: "c", Facts: "f", Decision: "d", Reward: "r", At: at}
	r.Conclusion = casefile.Conclusion{Record: "canary", SignedBy: "canary"}
	r.Behind = casefile.Behind{
		Was: "canary", Withdrawal: []byte("canary"), LaidOn: "canary", ServedOn: "2026-03-06", Objection: casefile.Objection{On: "canary", RecheckBy: "canary"},
		Dialogue: casefile.Dialogue{FromReporter: 1, FromDesk: 2, ReporterOn: "canary", DeskOn: "2026-03-05"},
	}
	award := &casefile.Award{
		Number: "N1", Fen: 300000, ClaimBy: at, AskedAt: at, Report: "canary", DraftedBy: "canary", ApprovedBy: "canary", Ticket: "canary",
	}
	award.State, award.ID = casefile.AwardNotified, "canary"
	got, err := json.Marshal(wire.FromReceipt(workflow.ReceiptView{
		Report: r, TriesLeft: 10, Refusal: "why", Award: award, Openings: []casefile.Opening{
			opening(casefile.OpeningKeyed, ""), opening(casefile.OpeningDenied, ""), opening(casefile.OpeningFinished, casefile.Swapped),
		},
		Contacts: []casefile.ContactUse{{
			Head: casefile.Head{ID: "canary", State: casefile.ContactFinished, At: at}, Purpose: casefile.ContactNotice, Officer: "canary",
			Approval: "canary", Way: casefile.ByGateway, Result: casefile.ContactFailed,
		}},
	}, web.EN))
	want := `{"number":"2026-AAAAA-BBBBB","state":"REPLIED","registeredOn":"2026-03-05","evidence":[],` +
		`"refusal":{"reason":"not_ours","text":"why"},"reply":{"conclusion":"c","facts":"f","decision":"d","reward":"r"},` +
		`"award":{"number":"N1","fen":300000,"state":"NOTIFIED","claimBy":"2026-03-04T16:30:00Z","asked":true},` +
		`"openings":[{"purpose":"reward_payment","day":"2026-03-05","result":"asked"},` +
		`{"purpose":"reward_payment","day":"2026-03-05","result":"denied"},{"purpose":"reward_payment","day":"2026-03-05","result":"swapped"}],"leads":[],` +
		`"contactUses":[{"purpose":"notice","day":"2026-03-05"}],` +
		`"servedOn":"2026-03-06","objected":true,"messages":{"fromDesk":2,"deskOn":"2026-03-05","sent":1},"triesLeft":10}`
	if err != nil || string(got) != want {
		t.Errorf("got %s, %v, want %s", got, err, want)
	}
}
