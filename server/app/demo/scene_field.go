package demo

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"gridwatch/server/app/apiclient"
	"gridwatch/server/casefile"
	"gridwatch/server/vault"
)

// taskOf is the inspector's task and phone.
type taskOf struct {
	id        string
	inspector string // login
	phone     string // push token
	device    string // id of the phone at the server
}

type fieldTask struct {
	ID       string         `json:"id"`
	Kind     string         `json:"kind"`
	State    casefile.State `json:"state"`
	Place    string         `json:"placeName"`
	Brief    string         `json:"brief"`
	Due      string         `json:"due"`
	Evidence []struct {
		ID string `json:"id"`
	} `json:"evidence"`
	Items []struct {
		Ref  string `json:"ref"`
		Text string `json:"text"`
	} `json:"items"`
}

func (p *player) taskPath(part string) string { return "/v1/field/tasks/" + p.task.id + part }

// registerPhone names the phone that the inspector's pushes go to.
func (p *player) registerPhone(ctx context.Context) error {
	id, err := vault.NewID(p.Random)
	if err != nil {
		return err
	}
	p.task.phone = "demo-phone-" + id
	c, err := p.as(ctx, p.task.inspector)
	if err != nil {
		return err
	}
	var out struct {
		ID string `json:"id"`
	}
	_, err = c.Do(ctx, apiclient.Call{Method: http.MethodPost, Path: "/v1/session/devices", Body: map[string]string{"token": p.task.phone}}, &out)
	p.task.device = out.ID
	return err
}

func (p *player) receive(ctx context.Context) error {
	if err := p.awaitPush(ctx); err != nil {
		return err
	}
	var t fieldTask
	err := until(ctx, "the task", func() (bool, error) {
		err := p.get(ctx, p.task.inspector, p.taskPath(""), &t)
		return err == nil, err
	})
	if err != nil {
		return err
	}
	listed, err := find(ctx, p, p.task.inspector, "/v1/field/tasks?limit=100", func(t fieldTask) bool { return t.ID == p.task.id })
	if err != nil {
		return err
	}
	if t.Kind != "patrol" || len(t.Items) != len(p.items) || len(t.Evidence) != 1 {
		return fmt.Errorf("the task is %+v", t)
	}
	p.tell("pull list: %s %q at %s, due %s; nothing tells it from any other patrol (巡查)", listed.Kind, t.Brief, t.Place, t.Due)
	c, err := p.as(ctx, p.task.inspector)
	if err != nil {
		return err
	}
	copied, err := c.Do(ctx, apiclient.Call{Method: http.MethodGet, Path: p.taskPath("/evidence/" + t.Evidence[0].ID)}, nil)
	if err != nil {
		return err
	}
	if err := checkClean(copied.Body); err != nil {
		return err
	}
	p.tell("released copy of the photo: %d bytes, drawn anew, no metadata", len(copied.Body))
	if _, err := p.do(ctx, p.task.inspector, p.taskPath("/seen"), nil, casefile.TaskSeen); err != nil {
		return err
	}
	_, err = p.do(ctx, p.task.inspector, p.taskPath("/acknowledge"), nil, casefile.TaskAcknowledged)
	return err
}

// awaitPush waits until the stand-in for FCM has the push of the task.
func (p *player) awaitPush(ctx context.Context) error {
	if p.FCM == "" {
		p.tell("push is off (GRID_FCM=off): the pull list alone tells the inspector")
		return nil
	}
	fcm := apiclient.Client{Base: p.FCM, HTTP: p.HTTP}
	err := until(ctx, "the push", func() (bool, error) {
		var received struct {
			Messages []struct {
				Token string          `json:"token"`
				Body  json.RawMessage `json:"body"`
			} `json:"messages"`
		}
		_, err := fcm.Do(ctx, apiclient.Call{Method: http.MethodGet, Path: "/received"}, &received)
		for _, m := range received.Messages {
			if m.Token == p.task.phone {
				p.push = m.Body
				return true, err
			}
		}
		return false, err
	})
	if err != nil {
		return err
	}
	for _, secret := range []string{p.place.village, p.brief(), p.sent.answer.Number, p.report} {
		if bytes.Contains(p.push, []byte(secret)) {
			return errors.New("the push carries content")
		}
	}
	p.tell("push received by the phone: a kind and an opaque reference, no content (body below)")
	return nil
}

func (p *player) check(ctx context.Context) error {
	here := p.place.target.GCJ02() // as a phone in China tells its position
	var findings []map[string]any
	for _, i := range p.items {
		findings = append(findings, map[string]any{"ref": i.id, "finding": i.finding, "text": "seen from outside"})
	}
	text, err := json.Marshal(map[string]any{
		"findings": findings, "note": "Bottles and stove can be seen through the open gate.",
		"position": place{here.Lon, here.Lat, "gcj02", 15},
	})
	if err != nil {
		return err
	}
	form := new(apiclient.Form).JSON("result", text).File("evidence", "gate.jpg", "image/jpeg", p.photo(p.place.target, 1))
	if _, err := p.send(ctx, p.task.inspector, apiclient.Call{Path: p.taskPath("/result"), Form: form}, casefile.TaskDone); err != nil {
		return err
	}
	var seen struct {
		Result struct {
			InGrid    bool    `json:"inGrid"`
			DistanceM float64 `json:"distanceM"`
		} `json:"result"`
		Evidence []any `json:"evidence"`
	}
	if err := p.get(ctx, "desk1", "/v1/office/tasks/"+p.task.id, &seen); err != nil {
		return err
	}
	if !seen.Result.InGrid || seen.Result.DistanceM > 10 || len(seen.Evidence) != 1 {
		return fmt.Errorf("the desk sees the result %+v", seen.Result)
	}
	p.tell("%s: position sent as gcj02, inside the grid, %.1f m from the target; 1 photo from the spot", casefile.TaskDone, seen.Result.DistanceM)
	return p.forgetPhone(ctx)
}

// forgetPhone leaves no token of the play behind.
func (p *player) forgetPhone(ctx context.Context) error {
	c, err := p.as(ctx, p.task.inspector)
	if err != nil {
		return err
	}
	_, err = c.Do(ctx, apiclient.Call{Method: http.MethodDelete, Path: "/v1/session/devices/" + p.task.device}, nil)
	return err
}
