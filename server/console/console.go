// Package console is the surface of the offices: desk and township,
// enforcement, leaders, reward and custody.
//
// A handler decodes, calls one use case and returns a value. What a role sees
// of a record is said by the view types, one file a noun: a field that a view
// does not name does not leave the server.
package console

import (
	"net/http"

	"gridwatch/server/casefile"
	"gridwatch/server/web"
	"gridwatch/server/workflow"
)

// Deps is everything the surface needs.
type Deps struct {
	Service *workflow.Service
}

// maxLong is the most bytes of a body that holds lists of texts.
const maxLong = 256 << 10

// Routes is the route table. A POST without a schema has no body.
func Routes(d Deps) []web.Route {
	s := d.Service
	return append(append(adminRoutes(s), leadRoutes(s)...), []web.Route{
		get("/v1/office/reports", casefile.ReportList, list(casefile.ReportMoves, s.Queue, newQueued)),
		get("/v1/office/reports/:id", casefile.ReportRead, read(s.ReadReport, newDeskReport)),
		get("/v1/office/briefs", casefile.ReportBrief, list(casefile.ReportMoves, s.Briefs, newBriefRow)),
		get("/v1/office/reports/:id/brief", casefile.ReportBrief, read(s.ReadBrief, newBrief)),
		get("/v1/office/reports/:id/assignees", casefile.ReportRead, assignees(s)),
		download("/v1/office/reports/:id/evidence/:item", casefile.ReportRead, evidence(s)),
		download("/v1/office/reports/:id/export", casefile.EvidenceExport, export(s.ExportReport)),
		post("/v1/office/reports/:id/accept", casefile.ReportDecide, "", move(s.AcceptReport)),
		post("/v1/office/reports/:id/refuse", casefile.ReportDecide, "office-refusal", change(s.RefuseReport)),
		post("/v1/office/reports/:id/target", casefile.ReportDecide, "office-target", change(s.ConfirmTarget)),
		post("/v1/office/reports/:id/brief", casefile.ReportDecide, "office-brief", change(s.WriteBrief)),
		post("/v1/office/reports/:id/evidence/:item/release", casefile.ReportDecide, "office-release", release(s)),
		post("/v1/office/reports/:id/evidence/:item/withdraw", casefile.ReportDecide, "", item(s.WithdrawEvidence)),
		post("/v1/office/reports/:id/assign", casefile.ReportDecide, "office-assignment", change(s.AssignCheck)),
		post("/v1/office/reports/:id/inspection", casefile.ReportDecide, "office-assignment", change(s.AssignInspection)),
		post("/v1/office/reports/:id/conclude", casefile.ReportSign, "office-conclusion", change(s.ConcludeReport)),
		post("/v1/office/reports/:id/reply", casefile.ReportDecide, "office-reply", change(s.ReplyToReporter)),

		post("/v1/office/reports/:id/holds", casefile.ReportHold, "office-hold", field(s.SetHold, denial.text)),
		post("/v1/office/reports/:id/holds/lift", casefile.ReportHold, "office-lifting", change(s.LiftHold)),

		get("/v1/office/reports/:id/messages", casefile.ReportRead, messages(s)),
		writeMessage(s),
		download("/v1/office/reports/:id/attachments/:item", casefile.ReportRead, file(s.Attachment)),

		get("/v1/office/rechecks", casefile.ReportRecheck, list(casefile.ReportMoves, s.Rechecks, newRecheckRow)),
		get("/v1/office/rechecks/:id", casefile.ReportRecheck, read(s.ReadRecheck, newRecheck)),
		post("/v1/office/rechecks/:id/done", casefile.ReportRecheck, "office-reply", change(s.FinishRecheck)),

		get("/v1/office/tasks", casefile.TaskOversee, list(casefile.TaskMoves, s.OverseeTasks, newTaskRow)),
		post("/v1/office/tasks", casefile.TaskCreate, "office-task", create(s.CreatePatrol)),
		get("/v1/office/tasks/:id", casefile.TaskOversee, read(s.ReadTask, newTask)),
		download("/v1/office/tasks/:id/export", casefile.EvidenceExport, export(s.ExportTask)),
		download("/v1/office/tasks/:id/evidence/:item", casefile.TaskOversee, file(s.CollectedEvidence)),

		post("/v1/office/reports/:id/evidence/:item/hold", casefile.EvidenceHold, "office-reason", hold(s.HoldReported)),
		post("/v1/office/reports/:id/evidence/:item/lift", casefile.EvidenceHold, "office-reason", hold(s.LiftReported)),
		post("/v1/office/tasks/:id/evidence/:item/hold", casefile.EvidenceHold, "office-reason", hold(s.HoldEvidence)),
		post("/v1/office/tasks/:id/evidence/:item/lift", casefile.EvidenceHold, "office-reason", hold(s.LiftEvidence)),

		get("/v1/office/inspections", casefile.VisitList, list(casefile.VisitMoves, s.ListInspections, newInspectionRow)),
		post("/v1/office/inspections", casefile.VisitFile, "office-inspection", create(s.FileInspection)),
		get("/v1/office/inspections/:id", casefile.VisitRead, read(s.ReadInspection, newInspection)),
		get("/v1/office/inspections/:id/evidence", casefile.VisitRead, collection(s)),
		download("/v1/office/inspections/:id/evidence/:item", casefile.VisitRead, file(s.InspectionEvidence)),
		get("/v1/office/inspections/:id/recordings", casefile.VisitRead, recordings(s)),
		download("/v1/office/inspections/:id/segments/:item", casefile.VisitRead, file(s.RecordedSegment)),
		post("/v1/office/inspections/:id/sign", casefile.VisitFile, "", move(s.SignInspection)),

		get("/v1/office/hazards", casefile.HazardRead, list(casefile.HazardMoves, s.ListHazards, newHazardRow)),
		post("/v1/office/hazards", casefile.HazardWork, "office-hazard", create(s.FindHazard)),
		get("/v1/office/hazards/:id", casefile.HazardRead, read(s.ReadHazard, newHazard)),
		post("/v1/office/hazards/:id/triage", casefile.HazardWork, "office-triage", change(s.TriageHazard)),
		post("/v1/office/hazards/:id/order", casefile.HazardWork, "office-order", change(s.OrderRectification)),
		post("/v1/office/hazards/:id/start", casefile.HazardWork, "", move(s.StartRectification)),
		post("/v1/office/hazards/:id/claim-done", casefile.HazardWork, "office-proof", field(s.ClaimRectified, proof.text)),
		post("/v1/office/hazards/:id/recheck", casefile.HazardWork, "office-recheck", field(s.Recheck, recheck.passed)),

		get("/v1/office/penalties", casefile.PenaltyRead, list(casefile.PenaltyMoves, s.ListPenalties, newPenaltyRow)),
		post("/v1/office/penalties", casefile.PenaltyWork, "office-penalty", filePenalty(s)),
		get("/v1/office/penalties/:id", casefile.PenaltyRead, read(s.ReadPenalty, newPenalty)),
		post("/v1/office/penalties/:id/notice", casefile.PenaltyWork, "office-notice", change(s.GivePenaltyNotice)),
		post("/v1/office/penalties/:id/decide", casefile.PenaltySign, "office-decision", change(s.DecidePenalty)),
		post("/v1/office/penalties/:id/serve", casefile.PenaltyWork, "", move(s.ServePenalty)),
		post("/v1/office/penalties/:id/payments", casefile.PenaltyWork, "office-payment", change(s.PayPenalty)),

		get("/v1/office/awards", casefile.AwardRead, list(casefile.AwardMoves, s.ListAwards, newAwardRow)),
		post("/v1/office/awards", casefile.AwardDraft, "office-award", create(s.DraftAward)),
		get("/v1/office/awards/:id", casefile.AwardRead, read(s.ReadAward, newAward)),
		post("/v1/office/awards/:id/review", casefile.AwardReview, "", move(s.ReviewAward)),
		post("/v1/office/awards/:id/return", casefile.AwardApprove, "office-reason", field(s.ReturnAward, reason.code)),
		post("/v1/office/awards/:id/approve", casefile.AwardApprove, "", move(s.ApproveAward)),
		post("/v1/office/awards/:id/file", casefile.AwardDraft, "office-filing", field(s.FileAward, filing.reference)),
		post("/v1/office/awards/:id/notify", casefile.AwardDraft, "", move(s.NotifyAward)),

		get("/v1/office/payouts", casefile.PayoutRead, list(casefile.PayoutMoves, s.ListPayouts, newPayoutRow)),
		post("/v1/office/payouts", casefile.PayoutDraw, "office-payout", drawPayout(s)),
		get("/v1/office/payouts/:id", casefile.PayoutRead, read(s.ReadPayout, newPayout)),
		post("/v1/office/payouts/:id/confirm", casefile.PayoutConfirm, "", move(s.ConfirmPayout)),
		post("/v1/office/payouts/:id/drop", casefile.PayoutConfirm, "", move(s.DropPayout)),
		post("/v1/office/payouts/:id/settle", casefile.PayoutDraw, "office-settlement", change(s.SettlePayout)),

		get("/v1/office/results", casefile.ResultsRead, list(casefile.BatchMoves, s.ListResults, newBatchRow)),
		post("/v1/office/results", casefile.ResultsPrepare, "office-results", prepareResults(s)),
		get("/v1/office/results/:id", casefile.ResultsRead, read(s.ReadResults, newBatch)),
		post("/v1/office/results/:id/release", casefile.ResultsRelease, "", move(s.ReleaseResults)),
		get("/v1/office/figures", casefile.FiguresRead, figures(s)),

		get("/v1/office/budgets/:year", casefile.BudgetRead, readBudget(s)),
		allocation(s),

		get("/v1/custody/openings", casefile.OpeningRead, list(casefile.OpeningMoves, s.ListOpenings, newOpening)),
		post("/v1/custody/openings", casefile.OpeningAsk, "custody-request", create(s.AskOpening)),
		get("/v1/custody/openings/:id", casefile.OpeningRead, read(s.ReadOpening, newOpeningTurn)),
		post("/v1/custody/openings/:id/key", casefile.OpeningFinish, "custody-key", field(s.KeyOpening, onceKey.recipient)),
		post("/v1/custody/openings/:id/layer", casefile.OpeningPeel, "custody-layer", change(s.PeelOpening)),
		post("/v1/custody/openings/:id/outcome", casefile.OpeningFinish, "custody-outcome", change(s.FinishOpening)),
		get("/v1/custody/openings/:id/archive", casefile.OpeningFinish, readArchive(s)),
		download("/v1/custody/openings/:id/archive/:item/:part", casefile.OpeningFinish, archivedPart(s)),
		post("/v1/custody/openings/:id/deny", casefile.OpeningDeny, "custody-denial", field(s.DenyOpening, denial.text)),

		get("/v1/custody/approvals", casefile.ApprovalRead, list(casefile.ApprovalMoves, s.ListApprovals, newApproval)),
		post("/v1/custody/approvals", casefile.ApprovalGive, "custody-approval", create(s.GiveApproval)),
		get("/v1/custody/approvals/:id", casefile.ApprovalRead, read(s.ReadApproval, newApprovalPage)),
		post("/v1/custody/approvals/:id/revoke", casefile.ApprovalGive, "", move(s.RevokeApproval)),
		get("/v1/custody/contacts", casefile.ContactRead, list(casefile.ContactMoves, s.ListContacts, newContact)),
		post("/v1/custody/contacts", casefile.ContactTake, "custody-contact", create(s.TakeContact)),
		get("/v1/custody/contacts/:id", casefile.ContactRead, read(s.ReadContact, newContactTurn)),
		post("/v1/custody/contacts/:id/handover", casefile.ContactTake, "custody-handover", change(s.HandOver)),
		post("/v1/custody/contacts/:id/outcome", casefile.ContactTake, "custody-contact-outcome", change(s.FinishContact)),

		get("/v1/custody/rings", casefile.RingRead, readRings(s)),
		post("/v1/custody/rings", casefile.RingKeep, "ring-founding", create(s.CreateRing)),
		post("/v1/custody/rings/:id/ask", casefile.RingKeep, "ring-key", change(s.AskEnrol)),
		post("/v1/custody/rings/:id/prove", casefile.RingKeep, "ring-proof", change(s.ProveEnrol)),
		post("/v1/custody/rings/:id/admit", casefile.RingKeep, "ring-admission", change(s.AdmitOfficer)),
		post("/v1/custody/rings/:id/witness", casefile.RingKeep, "ring-witnessing", change(s.WitnessEnrol)),
		post("/v1/custody/rings/:id/leave", casefile.RingKeep, "ring-leaving", change(s.LeaveRing)),
		post("/v1/custody/rings/:id/recovery", casefile.RingKeep, "ring-offer", change(s.OfferRecovery)),
		post("/v1/custody/rings/:id/recovery/exchange", casefile.RingKeep, "ring-exchange", change(s.ExchangeRecovery)),
		get("/v1/custody/envelopes/:day", casefile.EnvelopeCheck, sealedOn(s)),
		post("/v1/custody/checks", casefile.EnvelopeCheck, "ring-check", create(s.CheckDay)),
		post("/v1/custody/reports/:id/seal-fault", casefile.EnvelopeCheck, "seal-fault", field(s.NoteEnvelope, sealFault.result)),
	}...)
}

func get(path string, action casefile.Action, handle web.Handler) web.Route {
	return web.Route{Method: http.MethodGet, Path: path, Action: action, Handle: handle}
}

func download(path string, action casefile.Action, handle web.Handler) web.Route {
	return web.Route{Method: http.MethodGet, Path: path, Action: action, Download: true, Handle: handle}
}

func post(path string, action casefile.Action, schema string, handle web.Handler) web.Route {
	return web.Route{Method: http.MethodPost, Path: path, Action: action, Body: schema, MaxBody: maxLong, Command: true, Handle: handle}
}
