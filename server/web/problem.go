package web

import (
	_ "embed"
	"encoding/json"
	"net/http"
	"strings"
	"sync"

	"github.com/gofiber/fiber/v2"
	"golang.org/x/text/language"

	"gridwatch/schemas"
	"gridwatch/server/fault"
	"gridwatch/server/web/work"
)

// Problem is an RFC 9457 problem document. It never repeats what was sent.
type Problem struct {
	Type   string       `json:"type"` // about:blank: Code says what it is
	Title  string       `json:"title"`
	Status int          `json:"status"`
	Code   string       `json:"code"` // stable, noun.problem
	Detail string       `json:"detail"`
	Errors []FieldError `json:"errors,omitempty"`
	// Challenge comes with server.prove_work: its solution in the field
	// Proof-Of-Work of the same request is let in.
	Challenge *work.Challenge `json:"challenge,omitempty"`
}

// FieldError is one value that is wrong.
type FieldError struct {
	Field  string `json:"field"` // JSON pointer (RFC 6901), or "?" and the name of a query parameter
	Code   string `json:"code"`
	Detail string `json:"detail"`         // what would be right
	Want   any    `json:"want,omitempty"` // the same for programs: a bound, a list, a format
}

// Lang is a language answers are given in.
type Lang string

// The languages. Chinese is the one for who asks for none of them.
const (
	ZH Lang = "zh-CN"
	EN Lang = "en"
)

// answers says how each kind of Fault is answered.
var answers = map[fault.Kind]struct {
	status int
	title  map[Lang]string
}{
	fault.Internal:     {http.StatusInternalServerError, map[Lang]string{EN: "Internal error", ZH: "服务器内部错误"}},
	fault.Invalid:      {http.StatusBadRequest, map[Lang]string{EN: "Invalid request", ZH: "请求有误"}},
	fault.Unauthorized: {http.StatusUnauthorized, map[Lang]string{EN: "Not signed in", ZH: "未登录"}},
	fault.NotFound:     {http.StatusNotFound, map[Lang]string{EN: "Not found", ZH: "未找到"}},
	fault.Conflict:     {http.StatusConflict, map[Lang]string{EN: "Conflict", ZH: "状态冲突"}},
	fault.TooLarge:     {http.StatusRequestEntityTooLarge, map[Lang]string{EN: "Too large", ZH: "内容过大"}},
	fault.Unsupported:  {http.StatusUnsupportedMediaType, map[Lang]string{EN: "Unsupported content", ZH: "不支持的内容类型"}},
	fault.Busy:         {http.StatusServiceUnavailable, map[Lang]string{EN: "Busy", ZH: "服务繁忙"}},
}

// statuses are the codes that HTTP has a status of its own for.
var statuses = map[string]int{
	"request.method":           http.StatusMethodNotAllowed,
	"request.header_too_large": http.StatusRequestHeaderFieldsTooLarge,
	"body.stalled":             http.StatusRequestTimeout,
	"request.range":            http.StatusRequestedRangeNotSatisfiable,

	// Of the tus protocol.
	"upload.gone":     http.StatusGone,
	"upload.version":  http.StatusPreconditionFailed,
	"upload.locked":   http.StatusLocked,
	"upload.checksum": statusChecksumMismatch,
}

// statusChecksumMismatch is the tus protocol's own.
const statusChecksumMismatch = 460

//go:embed texts.json
var textsJSON []byte

// texts holds the Chinese text of every code; the English one is the Fault's.
// A code that several nouns share is under "*" and its last word.
var texts = sync.OnceValue(func() map[string]string {
	zh := map[string]string{}
	if err := json.Unmarshal(textsJSON, &zh); err != nil {
		return nil // a test reads the file
	}
	return zh
})

// textOf is what a Fault says in a language.
func textOf(f *fault.Fault, lang Lang) string {
	if lang == EN {
		return f.Text
	}
	zh := texts()
	if text, ok := zh[f.Code]; ok {
		return text
	}
	if _, problem, ok := strings.Cut(f.Code, "."); ok && zh["*."+problem] != "" {
		return zh["*."+problem]
	}
	return f.Text
}

// problemOf makes the document. All of kind NotFound is one and the same:
// absent and foreign records cannot be told apart (confidentiality 10).
func problemOf(f *fault.Fault, lang Lang, violations ...schemas.Violation) Problem {
	if f.Kind == fault.NotFound {
		f = fault.Absent()
	}
	a := answers[f.Kind]
	p := Problem{Type: "about:blank", Title: a.title[lang], Status: a.status, Code: f.Code, Detail: textOf(f, lang)}
	if s, ok := statuses[f.Code]; ok {
		p.Status = s
	}
	if f.Field != "" {
		p.Errors = []FieldError{{Field: f.Field, Code: f.Code, Detail: p.Detail}}
	}
	for _, v := range violations {
		text := v.ZH
		if lang == EN {
			text = v.EN
		}
		p.Errors = append(p.Errors, FieldError{Field: v.Field, Code: v.Code, Detail: text, Want: v.Want})
	}
	return p
}

// writeProblem answers a Fault.
func writeProblem(c *fiber.Ctx, f *fault.Fault, lang Lang, violations ...schemas.Violation) {
	sendProblem(c, f.Kind, problemOf(f, lang, violations...), lang)
}

// sendProblem is the one place that answers errors.
func sendProblem(c *fiber.Ctx, kind fault.Kind, p Problem, lang Lang) {
	text, err := json.Marshal(p)
	if err != nil { // only Want could not be encoded
		p.Errors = nil
		text, _ = json.Marshal(p)
	}
	switch kind {
	case fault.Unauthorized:
		c.Set(fiber.HeaderWWWAuthenticate, "Bearer")
	case fault.Busy:
		c.Set(fiber.HeaderRetryAfter, "2")
	case fault.TooLarge:
		c.Set(fiber.HeaderConnection, "close")
	case fault.Internal, fault.Invalid, fault.NotFound, fault.Conflict, fault.Unsupported:
	}
	c.Set(fiber.HeaderContentType, "application/problem+json")
	c.Set(fiber.HeaderContentLanguage, string(lang))
	c.Set(fiber.HeaderVary, fiber.HeaderAcceptLanguage)
	c.Status(p.Status).Response().SetBodyRaw(text)
}

// languages are the Lang of each tag, in the matcher's order.
var (
	languages = []Lang{ZH, EN}
	matcher   = language.NewMatcher([]language.Tag{language.SimplifiedChinese, language.English})
)

func languageOf(c *fiber.Ctx) Lang {
	tags, _, err := language.ParseAcceptLanguage(c.Get(fiber.HeaderAcceptLanguage))
	if err != nil || len(tags) == 0 {
		return ZH
	}
	_, at, _ := matcher.Match(tags...)
	return languages[at]
}
