// Package mobileapi is what phones speak: reporters without an account, holders
// of a receipt, the hotline's operators for callers, and field staff.
//
// It owns the table of these routes. Handlers decode, call one use case and
// return a value; rules, records and logs are elsewhere.
package mobileapi

import (
	"net/http"

	"gridwatch/media"
	"gridwatch/mobileapi/citizen"
	"gridwatch/mobileapi/hotline"
	"gridwatch/mobileapi/inspector"
	"gridwatch/mobileapi/session"
	"gridwatch/mobileapi/tus"
	"gridwatch/server/casefile"
	"gridwatch/server/web"
	"gridwatch/server/workflow"
)

// maxForm bounds a multipart body in bytes: as many files as the schemas take,
// whatever a tenant allows, and 1 MiB for the JSON part of at most 512 KiB, two
// sealed parts of at most 64 KiB and the heads of all parts.
const maxForm = 20*media.DefaultMaxBytes + 1<<20

// maxCall bounds the report of a caller in bytes: all its texts at their longest.
const maxCall = 512 << 10

// Deps is what the handlers call.
type Deps struct {
	Service *workflow.Service
	Tokens  *web.Tokens
}

// Routes is the table.
func Routes(d Deps) []web.Route {
	c := citizen.Handlers{Service: d.Service, Tokens: d.Tokens}
	s := session.Handlers{Service: d.Service, Tokens: d.Tokens}
	i := inspector.Handlers{Service: d.Service}
	l := hotline.Handlers{Service: d.Service}
	u := tus.Handlers{Service: d.Service}
	const get, post, del = http.MethodGet, http.MethodPost, http.MethodDelete
	return []web.Route{
		{Method: get, Path: "/v1/public/:tenant", Action: casefile.TenantRead, Handle: c.Tenant},
		{Method: get, Path: "/v1/public/:tenant/results", Action: casefile.TenantRead, Handle: c.Results},
		{Method: get, Path: "/v1/public/:tenant/figures", Action: casefile.TenantRead, Handle: c.Figures},
		{Method: post, Path: "/v1/public/:tenant/reports", Action: casefile.ReportSubmit, Command: true, Stream: true, MaxBody: maxForm, Handle: c.Submit},
		{Method: post, Path: "/v1/receipt/session", Action: casefile.ReceiptOpen, Body: "receipt-session", Handle: c.OpenReceipt},
		{Method: get, Path: "/v1/receipt", Action: casefile.ReceiptRead, Handle: c.Receipt},
		{Method: get, Path: "/v1/receipt/proofs", Action: casefile.ReceiptRead, Handle: c.Proofs},
		{Method: post, Path: "/v1/receipt/exchange", Action: casefile.ReceiptOpen, Body: "receipt-exchange", Command: true, Handle: c.Exchange},
		{Method: del, Path: "/v1/receipt/session", Action: casefile.ReceiptRead, Handle: c.Leave},
		{Method: get, Path: "/v1/receipt/messages", Action: casefile.ReceiptRead, Handle: c.Messages},
		{Method: post, Path: "/v1/receipt/messages", Action: casefile.ReceiptWrite, Body: "receipt-message", Command: true, Handle: c.WriteMessage},
		{Method: get, Path: "/v1/receipt/attachments/:item", Action: casefile.ReceiptRead, Download: true, Handle: c.Attachment},
		{Method: post, Path: "/v1/receipt/evidence", Action: casefile.ReceiptWrite, Command: true, Stream: true, MaxBody: maxForm, Handle: c.AddEvidence},
		{Method: post, Path: "/v1/receipt/uploads", Action: casefile.ReceiptWrite, Body: "upload-announce", Command: true, Handle: u.AnnounceEvidence},
		{Method: post, Path: "/v1/receipt/withdrawal", Action: casefile.ReceiptWrite, Body: "receipt-withdrawal", Command: true, Handle: c.Withdraw},
		{Method: post, Path: "/v1/receipt/objection", Action: casefile.ReceiptWrite, Body: "receipt-objection", Command: true, Handle: c.Object},
		{Method: post, Path: "/v1/receipt/award/claim", Action: casefile.AwardClaim, Command: true, Handle: c.ClaimAward},
		{Method: post, Path: "/v1/receipt/award/claim-by-code", Action: casefile.AwardClaim, Body: "receipt-claim", Command: true, Handle: c.ClaimByCode},
		{Method: get, Path: "/v1/receipt/leads/:id/copy", Action: casefile.ReceiptRead, Download: true, Handle: c.LeadCopy},
		{Method: post, Path: "/v1/receipt/leads/:id/answer", Action: casefile.ReceiptWrite, Body: "receipt-lead", Command: true, Handle: c.AnswerLead},
		{Method: post, Path: "/v1/receipt/closing", Action: casefile.ReceiptWrite, Body: "receipt-closing", Command: true, Handle: c.Close},
		{Method: get, Path: "/v1/log/checkpoint", Action: casefile.LogRead, Handle: c.Checkpoint},
		{Method: get, Path: "/v1/log/tiles/:level/:index", Action: casefile.LogRead, Handle: c.Tile},

		{Method: http.MethodOptions, Path: "/v1/uploads", Action: casefile.TenantRead, Header: tus.Header(), Handle: u.Describe},
		{Method: post, Path: "/v1/uploads", Action: casefile.UploadSend, Header: tus.Header(), Stream: true, MayBeEmpty: true, Type: tus.Type, MaxBody: tus.MaxPiece, Handle: u.Create},
		{Method: http.MethodHead, Path: "/v1/uploads/:id", Action: casefile.UploadSend, Header: tus.Header(), Handle: u.Find},
		{Method: http.MethodPatch, Path: "/v1/uploads/:id", Action: casefile.UploadSend, Header: tus.Header(), Stream: true, MayBeEmpty: true, Type: tus.Type, MaxBody: tus.MaxPiece, Handle: u.Append},
		{Method: del, Path: "/v1/uploads/:id", Action: casefile.UploadSend, Header: tus.Header(), Handle: u.End},
		{Method: post, Path: "/v1/field/tasks/:id/uploads", Action: casefile.TaskWork, Body: "task-announce", Command: true, Handle: u.AnnounceCollected},
		{Method: post, Path: "/v1/field/tasks/:id/recordings", Action: casefile.VisitFile, Body: "recording-open", Command: true, Handle: i.OpenRecording},
		{Method: post, Path: "/v1/field/tasks/:id/recordings/:recording/segments", Action: casefile.VisitFile, Body: "recording-segment", Command: true, Handle: u.AnnounceSegment},
		{Method: post, Path: "/v1/field/tasks/:id/recordings/:recording/close", Action: casefile.VisitFile, Body: "recording-close", Command: true, Handle: i.CloseRecording},
		{Method: post, Path: "/v1/office/reports/:id/uploads", Action: casefile.ReportDecide, Body: "upload-announce", Command: true, Handle: u.AnnounceAttachment},

		{Method: post, Path: "/v1/office/calls", Action: casefile.CallTake, Body: "report-submit", MaxBody: maxCall, Command: true, Handle: l.Take},

		{Method: post, Path: "/v1/session", Action: casefile.SessionOpen, Body: "session-open", Handle: s.Open},
		{Method: post, Path: "/v1/session/refresh", Action: casefile.SessionOpen, Body: "session-refresh", Handle: s.Refresh},
		{Method: del, Path: "/v1/session", Action: casefile.SessionUse, Handle: s.Close},
		{Method: post, Path: "/v1/session/second", Action: casefile.SessionOpen, Body: "session-second", Handle: s.Second},
		{Method: post, Path: "/v1/session/enrol", Action: casefile.SessionOpen, Body: "session-half", Handle: s.Enrol},
		{Method: post, Path: "/v1/session/passkey/challenge", Action: casefile.SessionOpen, Body: "session-half", Handle: s.AskPasskey},
		{Method: post, Path: "/v1/session/passkey", Action: casefile.SessionOpen, Body: "session-passkey", Handle: s.ByPasskey},
		{Method: get, Path: "/v1/session/all", Action: casefile.SessionUse, Handle: s.List},
		{Method: del, Path: "/v1/session/all", Action: casefile.SessionUse, Handle: s.CloseAll},
		{Method: del, Path: "/v1/session/all/:id", Action: casefile.SessionUse, Handle: s.CloseOne},
		{Method: post, Path: "/v1/session/password", Action: casefile.SessionUse, Body: "session-password", Handle: s.ChangePassword},
		{Method: get, Path: "/v1/session/factors", Action: casefile.SessionUse, Handle: s.Factors},
		{Method: post, Path: "/v1/session/totp", Action: casefile.SessionUse, Body: "session-code", Handle: s.EnrolTOTP},
		{Method: post, Path: "/v1/session/totp/confirm", Action: casefile.SessionUse, Body: "session-code", Handle: s.ConfirmTOTP},
		{Method: post, Path: "/v1/session/passkeys/challenge", Action: casefile.SessionUse, Body: "session-code", Handle: s.AddPasskey},
		{Method: post, Path: "/v1/session/passkeys", Action: casefile.SessionUse, Body: "session-passkey-new", Handle: s.KeepPasskey},
		{Method: del, Path: "/v1/session/passkeys/:id", Action: casefile.SessionUse, Handle: s.DropPasskey},
		{Method: get, Path: "/v1/session/ties", Action: casefile.SessionUse, Handle: s.Ties},
		{Method: post, Path: "/v1/session/ties", Action: casefile.SessionUse, Body: "session-tie", Handle: s.DeclareTie},
		{Method: post, Path: "/v1/session/devices", Action: casefile.SessionUse, Body: "device", Handle: s.PutDevice},
		{Method: del, Path: "/v1/session/devices/:id", Action: casefile.SessionUse, Handle: s.DropDevice},

		{Method: get, Path: "/v1/field/tasks", Action: casefile.TaskWork, Handle: i.Tasks},
		{Method: get, Path: "/v1/field/tasks/:id", Action: casefile.TaskWork, Handle: i.Task},
		{Method: post, Path: "/v1/field/tasks/:id/seen", Action: casefile.TaskWork, Command: true, Handle: i.See},
		{Method: post, Path: "/v1/field/tasks/:id/acknowledge", Action: casefile.TaskWork, Command: true, Handle: i.Acknowledge},
		{Method: post, Path: "/v1/field/tasks/:id/result", Action: casefile.TaskWork, Command: true, Stream: true, MaxBody: maxForm, Handle: i.SaveResult},
		{Method: get, Path: "/v1/field/tasks/:id/evidence/:item", Action: casefile.TaskWork, Download: true, Handle: i.Evidence},
	}
}
