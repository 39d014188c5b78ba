package app_test

import (
	"encoding/base64"
	"net/http"
	"strings"
	"testing"
	"time"

	"gridwatch/server/app/demo"
	"gridwatch/server/vault"
	"gridwatch/server/web"
)

func badReceipts(t *testing.T, w *world) map[string]badRow {
	t.Helper()
	d := newDocket(t, w, "anonymous", "illegal_act")
	open := func(code any, status int, problem, field string) badRow {
		return badRow{path: "/v1/receipt/session", body: object{"code": code}, status: status, code: problem, at: field}
	}
	slip := []byte(d.code)
	slip[len(slip)-1] = '0' + (slip[len(slip)-1]-'0'+1)%10
	const format = "receipt.code_format"
	return map[string]badRow{
		"too short":         open(d.code[:20], 400, format, "/code"),
		"a digit too many":  open(d.code+"0", 400, format, "/code"),
		"wrong check digit": open(string(slip), 400, format, "/code"),
		"letters":           open(marker, 400, format, "/code"),
		"empty":             open("", 400, "body.invalid", "/code body.too_short"),
		"a number":          open(12345, 400, "body.invalid", "/code body.type"),
		"200 characters":    open(strings.Repeat("1", 200), 400, "body.invalid", "/code body.too_long"),
		"of no report":      open(unknownCode(t), 401, "receipt.unknown", ""),
		"no token":          {method: http.MethodGet, path: "/v1/receipt", status: 401, code: "session.invalid"},
		"token of staff":    {who: "desk1", method: http.MethodGet, path: "/v1/receipt", status: 404, code: "record.not_found"},
		"no award to claim": {path: "/v1/receipt/award/claim", header: bearer(d.holder().Token), status: 404, code: "record.not_found"},
		"a body for a claim": {
			path: "/v1/receipt/award/claim", header: bearer(d.holder().Token), body: object{marker: marker}, status: 400, code: "body.unexpected",
		},
	}
}

// unknownCode is a well-formed code that no report has.
func unknownCode(t *testing.T) string {
	t.Helper()
	for _, last := range "0123456789" {
		code := strings.Repeat("1234", 6) + string(last)
		if _, err := vault.ParseCode(code); err == nil {
			return code
		}
	}
	t.Fatal("no check digit fits")
	return ""
}

func bearer(token string) http.Header { return http.Header{"Authorization": {"Bearer " + token}} }

func badSessions(t *testing.T, w *world) map[string]badRow {
	t.Helper()
	sameSignIn(t, w)
	in := func(change object, status int, code, field string) badRow {
		body := object{"tenant": demo.Tenant, "login": "auditor1", "password": marker, "device": newKey(t)}
		for k, v := range change {
			body[k] = v
			if v == nil {
				delete(body, k)
			}
		}
		return badRow{path: "/v1/session", body: body, status: status, code: code, at: field}
	}
	refresh := func(token string, status int, code, field string) badRow {
		return badRow{path: "/v1/session/refresh", body: object{"refresh": token, "device": newKey(t)}, status: status, code: code, at: field}
	}
	use := func(authorization string) badRow {
		return badRow{method: http.MethodDelete, path: "/v1/session", header: http.Header{"Authorization": {authorization}}, status: 401, code: "session.invalid"}
	}
	unsigned := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none","typ":"JWT"}`)) + "." +
		strings.Split(w.as(t, "desk1").Token, ".")[1] + "."
	const wrong, invalid, bad = "session.wrong", "session.invalid", "body.invalid"
	receipt := tokens(t, w, "gridwatch", 0, web.Claims{Audience: web.Receipt, Tenant: demo.Tenant, Subject: newKey(t)})
	desk := web.Claims{Audience: web.Staff, Tenant: demo.Tenant, Subject: persons("desk1")[0], Family: newKey(t)}
	other := desk
	other.Audience = "administrators"
	return map[string]badRow{
		"unknown login":        in(object{"login": marker}, 401, wrong, ""),
		"unknown tenant":       in(object{"tenant": marker}, 401, wrong, ""),
		"no device":            in(object{"device": nil}, 400, bad, "/device body.required"),
		"weak device":          in(object{"device": marker}, 400, bad, "/device body.format"),
		"password of 201":      in(object{"password": strings.Repeat("x", 201)}, 400, bad, "/password body.too_long"),
		"password of 100 KiB":  in(object{"password": strings.Repeat("x", 100<<10)}, 413, "body.too_large", ""),
		"login with a newline": in(object{"login": marker + "\n"}, 400, bad, "/login body.format"),
		"tenant is an object":  in(object{"tenant": object{"$ne": marker}}, 400, bad, "/tenant body.type"),
		"refresh is garbage":   refresh(marker, 401, invalid, ""),
		"refresh of nobody":    refresh(newKey(t)+"."+newKey(t), 401, invalid, ""),
		"refresh is empty":     refresh("", 400, bad, "/refresh body.too_short"),
		"no bearer":            use("Basic " + marker),
		"garbled":              use("Bearer " + marker),
		"no algorithm":         use("Bearer " + unsigned),
		"expired":              use("Bearer " + tokens(t, w, "gridwatch", -time.Hour, desk)),
		"of tomorrow":          use("Bearer " + tokens(t, w, "gridwatch", 24*time.Hour, desk)),
		"of another issuer":    use("Bearer " + tokens(t, w, marker, 0, desk)),
		"for other ears":       use("Bearer " + tokens(t, w, "gridwatch", 0, other)),
		"of no session":        use("Bearer " + tokens(t, w, "gridwatch", 0, desk)),
		"a receipt's": {
			method: http.MethodDelete, path: "/v1/session", header: bearer(receipt), status: 404, code: "record.not_found",
		},
		"new password: none":         {who: "desk1", path: "/v1/session/password", body: object{"current": marker}, status: 400, code: bad, at: "/new body.required"},
		"new password: short":        {who: "desk1", path: "/v1/session/password", body: object{"current": marker, "new": "12345678901"}, status: 400, code: bad, at: "/new body.too_short"},
		"new password: of 201":       {who: "desk1", path: "/v1/session/password", body: object{"current": marker, "new": strings.Repeat("x", 201)}, status: 400, code: bad, at: "/new body.too_long"},
		"new password: two lines":    {who: "desk1", path: "/v1/session/password", body: object{"current": marker, "new": "two lines\n" + marker}, status: 400, code: bad, at: "/new body.format"},
		"new password: a list":       {who: "desk1", path: "/v1/session/password", body: object{"current": marker, "new": []string{marker}}, status: 400, code: bad, at: "/new body.type"},
		"new password: the same":     {who: "desk1", path: "/v1/session/password", body: object{"current": marker + " and more", "new": marker + " and more"}, status: 400, code: "password.same", at: "/new"},
		"new password: of one's own": {who: "desk1", path: "/v1/session/password", body: object{"current": marker, "new": "the name is DESK1 " + marker}, status: 400, code: "password.login", at: "/new"},
		"device is no token":         {who: "desk1", path: "/v1/session/devices", body: object{"token": "有 " + marker}, status: 400, code: bad, at: "/token body.format"},
	}
}

// tokens issues a token as if at another time, by the program's own keys.
func tokens(t *testing.T, w *world, issuer string, shift time.Duration, c web.Claims) string {
	t.Helper()
	var path string
	for _, s := range w.settings {
		if file, ok := strings.CutPrefix(s, "GRID_KEYRING="); ok {
			path = file
		}
	}
	keyring, err := vault.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	text, _, err := web.NewTokens(issuer, keyring, func() time.Time { return time.Now().Add(shift) }).Issue(c)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func badLists(t *testing.T, _ *world) map[string]badRow {
	t.Helper()
	rows := map[string]badRow{}
	for who, path := range map[string]string{"desk1": "/v1/office/reports", "township1": "/v1/office/tasks", "inspector1": "/v1/field/tasks", "seal1": "/v1/custody/openings"} {
		row := func(query, code, field string) badRow {
			return badRow{who: who, method: http.MethodGet, path: path + "?" + query, status: 400, code: code, at: field}
		}
		rows[path+": limit 0"] = row("limit=0", "query.value", "?limit")
		rows[path+": limit 101"] = row("limit=101", "query.value", "?limit")
		rows[path+": limit in words"] = row("limit="+marker, "query.value", "?limit")
		rows[path+": unknown state"] = row("state="+marker, "query.value", "?state")
		rows[path+": cursor is garbage"] = row("cursor="+marker, "page.cursor", "?cursor")
		rows[path+": cursor of another list"] = row("cursor="+web.Cursor(marker, marker, marker), "page.cursor", "?cursor")
	}
	for who, path := range map[string]string{"": "/v1/public/" + demo.Tenant, "desk1": "/v1/office"} {
		for _, quarter := range []string{marker, "2026-Q5", "2026Q1", "1999-Q1x"} {
			r := badRow{who: who, method: http.MethodGet, path: path + "/figures?quarter=" + quarter, status: 400, code: "query.value", at: "?quarter"}
			if who != "" {
				r.code = "figures.quarter"
			}
			rows[path+": quarter "+quarter] = r
		}
	}
	rows["results of a month in words"] = post("desk1", "/v1/office/results", object{"month": marker}, 400, "body.invalid", "/month body.format")
	rows["results of a month to come"] = post("desk1", "/v1/office/results", object{"month": time.Now().AddDate(1, 0, 0).Format("2006-01")}, 409, "results.not_over", "/month")
	rows["results of a quiet month"] = post("desk1", "/v1/office/results", object{"month": "2020-01"}, 409, "results.too_few", "/month")
	rows["results released by nobody's leader"] = post("leader1", "/v1/office/results/"+newKey(t)+"/release", nil, 404, "record.not_found", "")
	return rows
}
