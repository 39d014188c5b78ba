package demo

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"gridwatch/server/app/apiclient"
	"gridwatch/server/casefile"
	"gridwatch/server/vault"
	"gridwatch/server/workflow"
)

// submission is what the reporter sent and was answered.
type submission struct {
	tenant   publicTenant
	rings    vault.Rings
	key      string // Idempotency-Key; a secret
	body     wireReport
	identity vault.Identity
	sealed   vault.Envelope
	contact  vault.Envelope
	photo    []byte
	raw      []byte // the answer
	answer   struct {
		Number    string `json:"number"`
		Code      string `json:"code"`
		Statement string `json:"statement"`
		Evidence  []struct {
			SHA256 string `json:"sha256"`
			Size   int    `json:"size"`
		} `json:"evidence"`
	}
	receipt apiclient.Client
}

type publicTenant struct {
	Name  string `json:"name"`
	Area  string `json:"area"`
	Rings struct {
		Version int `json:"version"`
		vault.SignedKeyList
		Root ed25519.PublicKey `json:"root"`
	} `json:"rings"`
	StatementKeys map[string]ed25519.PublicKey `json:"statementKeys"`
}

type wireReport struct {
	Mode        casefile.Mode    `json:"mode"`
	Narrative   string           `json:"narrative"`
	Allegations []wireAllegation `json:"allegations"`
	TargetText  string           `json:"targetText"`
	Target      place            `json:"target"`
	Stood       place            `json:"stood"`
	Sealed      map[string]any   `json:"sealed"`
	Evidence    []wireDigest     `json:"evidence"`
}

type wireAllegation struct {
	Matter casefile.Matter `json:"matter"`
	Text   string          `json:"text"`
}

type wireDigest struct {
	SHA256 string `json:"sha256"`
}

const publicPath = "/v1/public/" + Tenant

func (p *player) readTenant(ctx context.Context) error {
	t := &p.sent.tenant
	if _, err := p.anyone().Do(ctx, apiclient.Call{Method: http.MethodGet, Path: publicPath}, t); err != nil {
		return err
	}
	pinned, err := Fingerprint(p.Dir, Tenant)
	if err != nil {
		return err
	}
	if got, err := vault.ParseFingerprint(vault.Fingerprint(t.Rings.Root)); err != nil || got != pinned {
		return errors.New("the server shows another root than the one of the public notice")
	}
	list, err := t.Rings.Verify(t.Rings.Root, Tenant)
	if err != nil {
		return err
	}
	if p.sent.rings, err = list.Rings(); err != nil {
		return err
	}
	p.tell("%s, county %s: list of keys version %d, signed by the offline root %s…", t.Name, t.Area, list.Version, vault.Fingerprint(t.Rings.Root)[:19])
	return nil
}

// submit sends the report. Its identity is a role: the demo invents nobody.
func (p *player) submit(ctx context.Context) error {
	var err error
	if p.place, err = p.draw(); err != nil {
		return err
	}
	s := &p.sent
	if s.key, err = vault.NewID(p.Random); err != nil {
		return err
	}
	binding, err := vault.NewID(p.Random)
	if err != nil {
		return err
	}
	s.identity = vault.Identity{
		Name: "demo reporter (演示举报人)", IDNumber: "000000000000000000", Employer: "demo workshop", Relation: vault.RelationEmployee,
		PayeeName: "demo reporter (演示举报人)", PayeeBank: "demo bank", PayeeAccount: "0000 0000 0000 0000", Binding: binding,
	}
	if s.sealed, err = vault.SealIdentity(s.rings, s.identity); err != nil {
		return err
	}
	if s.contact, err = vault.SealContact(s.rings, vault.Contact{Kind: "phone", Value: "00000000000", Binding: binding}); err != nil {
		return err
	}
	s.photo = p.photo(p.place.stood, 0)
	s.body = wireReport{
		Mode:      casefile.RealName,
		Narrative: "Gas bottles stand beside the stove in the workshop; men weld next to them. (演示：车间内气瓶靠近火源)",
		Allegations: []wireAllegation{
			{casefile.IllegalAct, "Gas bottles are kept beside a stove, without any distance."},
			{casefile.IllegalAct, "Welding goes on without a permit."},
		},
		TargetText: "the workshop by the road in " + p.place.village,
		Target:     place{p.place.target.Lon, p.place.target.Lat, "wgs84", 20},
		Stood:      place{p.place.stood.Lon, p.place.stood.Lat, "wgs84", 8},
		Sealed:     map[string]any{"innerDigest": s.sealed.InnerDigest, "binding": binding, "rings": s.tenant.Rings.Version},
		Evidence:   []wireDigest{{digestOf(s.photo)}},
	}
	p.tell("place: %s, inside grid %s %s", p.place.village, p.place.grid.Code, p.place.grid.Name)
	p.tell("photo: %d bytes of JPEG with EXIF position and serial number, SHA-256 %s…", len(s.photo), digestOf(s.photo)[:16])
	p.tell("identity: sealed to ring A inside ring B, %d bytes; the server cannot open it", len(s.sealed.File))
	answer, err := p.register(ctx, s.body)
	if err != nil {
		return err
	}
	if answer.Status != http.StatusCreated {
		return fmt.Errorf("got status %d, want 201", answer.Status)
	}
	s.raw = answer.Body
	if err := json.Unmarshal(answer.Body, &s.answer); err != nil {
		return err
	}
	if len(s.answer.Evidence) != 1 || s.answer.Evidence[0].SHA256 != digestOf(s.photo) {
		return errors.New("the server did not get the photo that was sent")
	}
	p.tell("201: registered as %s, receipt code %s (shown once; printed because this is a demo)", s.answer.Number, s.answer.Code)
	return p.verifyStatement()
}

// register sends the report under the play's key.
func (p *player) register(ctx context.Context, body wireReport) (apiclient.Answer, error) {
	text, err := json.Marshal(body)
	if err != nil {
		return apiclient.Answer{}, err
	}
	form := new(apiclient.Form).JSON("report", text).
		File("identity", "", "application/octet-stream", p.sent.sealed.File).
		File("contact", "", "application/octet-stream", p.sent.contact.File).
		File("evidence", "photo.jpg", "image/jpeg", p.sent.photo)
	return p.anyone().Do(ctx, apiclient.Call{Method: http.MethodPost, Path: publicPath + "/reports", Key: p.sent.key, Form: form}, nil)
}

func (p *player) verifyStatement() error {
	statement, err := vault.VerifyStatement(p.sent.answer.Statement, p.sent.tenant.StatementKeys)
	if err != nil {
		return err
	}
	today := p.Now().In(workflow.Shanghai())
	if statement.Tenant != Tenant || (statement.Day != today.Format(time.DateOnly) && statement.Day != today.Add(-time.Minute).Format(time.DateOnly)) {
		return fmt.Errorf("the statement is for %s on %s", statement.Tenant, statement.Day)
	}
	p.tell("signed registration statement (登记凭据) verified: day %s, commitment %s…", statement.Day, statement.Commitment[:16])
	return nil
}

func (p *player) repeat(ctx context.Context) error {
	again, err := p.register(ctx, p.sent.body)
	if err != nil {
		return err
	}
	if !bytes.Equal(again.Body, p.sent.raw) {
		return errors.New("the same report under the same key got another answer")
	}
	other := p.sent.body
	other.Narrative += " And more."
	_, err = p.register(ctx, other)
	if err := apiclient.Refused(err, "idempotency.other_body"); err != nil {
		return err
	}
	p.tell("the same answer, one report; with other words under the same key: 409")
	return nil
}

func (p *player) openReceipt(ctx context.Context) error {
	var session struct {
		Token string `json:"token"`
	}
	c := p.anyone()
	_, err := c.Do(ctx, apiclient.Call{
		Method: http.MethodPost, Path: "/v1/receipt/session", Body: map[string]string{"code": p.sent.answer.Code},
	}, &session)
	if err != nil {
		return err
	}
	c.Token = session.Token
	p.sent.receipt = c
	r, err := p.receipt(ctx)
	if err != nil {
		return err
	}
	if r.Number != p.sent.answer.Number || r.State != casefile.ReportReceived {
		return fmt.Errorf("the receipt shows %s %s", r.Number, r.State)
	}
	p.tell("behind the code: %s, %s, %d item of evidence, identity opened %d times", r.Number, r.State, len(r.Evidence), len(r.Openings))
	return nil
}
