package app_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"

	"gridwatch/server/app/demo"
	"gridwatch/server/canarytest"
)

// tap lies between the clients and the server. It keeps what each was told,
// and every secret that crossed it.
type tap struct {
	*http.Transport

	host string

	callers map[string]string // headers that tell who calls, of public and receipt routes

	mu      sync.Mutex
	who     map[string]string // by bearer token
	told    map[string][]byte // by who
	secrets map[string]canarytest.Canary
}

// RoundTrip implements http.RoundTripper.
func (p *tap) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.URL.Host != p.host {
		return p.Transport.RoundTrip(req)
	}
	var asked struct {
		Tenant   string `json:"tenant"`
		Login    string `json:"login"`
		Password string `json:"password"`
		Current  string `json:"current"`
		New      string `json:"new"`
		Token    string `json:"token"`
		Half     string `json:"half"`
	}
	if strings.HasPrefix(req.URL.Path, "/v1/public/") || strings.HasPrefix(req.URL.Path, "/v1/receipt") || strings.HasPrefix(req.URL.Path, "/v1/uploads") {
		req = req.Clone(req.Context())
		for name, value := range p.callers {
			req.Header.Set(name, value)
		}
	}
	if strings.HasPrefix(req.URL.Path, "/v1/session") && req.GetBody != nil {
		body, err := req.GetBody()
		if err != nil {
			return nil, err
		}
		if err := json.NewDecoder(body).Decode(&asked); err != nil {
			return nil, err
		}
	}
	res, err := p.Transport.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	body, err := io.ReadAll(res.Body)
	_ = res.Body.Close()
	res.Body = io.NopCloser(bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	var given struct {
		Access  string `json:"access"`
		Refresh string `json:"refresh"`
		Token   string `json:"token"`
		Code    string `json:"code"`
		Half    string `json:"half"`

		Recovery []string `json:"recoveryCodes"`
		Items    []struct {
			Right string `json:"right"` // to send a file in pieces
		} `json:"items"`
	}
	if res.StatusCode < http.StatusBadRequest {
		_ = json.Unmarshal(body, &given) // most answers are something else
	}
	var rights []string
	for _, item := range given.Items {
		if item.Right != "" {
			rights = append(rights, item.Right)
		}
	}

	p.mu.Lock()
	defer p.mu.Unlock()
	bearer := strings.TrimPrefix(req.Header.Get("Authorization"), "Bearer ")
	who := p.who[bearer]
	if asked.Tenant != "" && asked.Tenant != demo.Tenant {
		asked.Login = asked.Tenant + ":" + asked.Login
	}
	if asked.Half != "" {
		asked.Login = p.who[asked.Half]
	}
	switch {
	case len(rights) > 0:
		who = "whom it is issued to"
	case given.Access+given.Refresh+given.Token+given.Code+given.Half != "":
		who = "whom it is issued to"
		p.who[given.Access], p.who[given.Half], p.who[given.Token] = asked.Login, asked.Login, "the reporter"
	}
	p.who[""] = "anyone"
	var head bytes.Buffer
	_ = res.Header.Write(&head)
	p.told[who] = slices.Concat(p.told[who], head.Bytes(), body, []byte("\n"))
	p.keep(phone, true, asked.Token)
	for _, token := range append(rights, bearer, given.Access, given.Refresh, given.Token, given.Half) {
		p.keep(secret, true, token)
	}
	for _, s := range append(given.Recovery, asked.Password, asked.Current, asked.New, given.Code, strings.ReplaceAll(given.Code, "-", ""), req.Header.Get("Idempotency-Key")) {
		p.keep(secret, false, s)
	}
	return res, nil
}

// keep notes a secret; hashed says that it is random enough for its digest to
// be kept.
func (p *tap) keep(kind canarytest.Kind, hashed bool, text string) {
	if len(text) < 12 {
		return
	}
	c := canarytest.Text(kind, "", text)
	c.Hashed = hashed
	p.secrets[text] = c
	if raw, err := hex.DecodeString(text); err == nil && len(raw) >= 16 {
		p.secrets[text+" raw"] = canarytest.Canary{Kind: kind, Name: text + " (raw)", Raw: raw, Hashed: hashed}
	}
}
