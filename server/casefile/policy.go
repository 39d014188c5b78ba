package casefile

import "slices"

// Action is something a route lets an actor ask for: noun.verb.
type Action string

// scope says how far a role reaches.
type scope int

const (
	ofAll      scope = iota // no record: the role is enough
	ofTenant                // a record of the actor's tenant
	ofArea                  // a record of the tenant that lies under the post's area
	ofAssigned              // a record of the tenant that is assigned to the actor
	ofOwn                   // the report whose receipt the actor holds
)

// rule says who may do an action, and over which records.
type rule struct {
	scope scope
	roles []Role
}

// Subject is what policy must know of a record. The zero Subject asks whether
// the role alone could ever be enough.
type Subject struct {
	Tenant   string
	Area     string   // area or grid code the record lies in
	Party    string   // the unit it is about, for declared ties
	Assigned []string // persons it is assigned to
	Report   string   // the report itself, for a receipt holder
	Receipt  string   // hash of the report's code in force; "" does not ask
}

// May is the one policy function: role × tenant × area × record. What it
// refuses is answered as if the record did not exist.
func (a Actor) May(action Action, s Subject) bool {
	for _, r := range policy[action] {
		if a.may(r, s) {
			return true
		}
	}
	return false
}

func (a Actor) may(r rule, s Subject) bool {
	if slices.Contains(r.roles, Anyone) {
		return true
	}
	if slices.Contains(r.roles, ReceiptHolder) {
		return a.Report != "" && (s.Tenant == "" || (s.Tenant == a.Tenant && s.Report == a.Report && (s.Receipt == "" || s.Receipt == a.Receipt)))
	}
	if a.Person == "" || !a.holds(r.roles, "") {
		return false
	}
	if r.scope == ofAll || s.Tenant == "" {
		return true
	}
	if s.Tenant != a.Tenant {
		return false
	}
	switch r.scope {
	case ofArea:
		return a.holds(r.roles, s.Area)
	case ofAssigned:
		return slices.Contains(s.Assigned, a.Person)
	case ofTenant:
		return true
	case ofAll, ofOwn:
	}
	return false
}

// Reach lists the areas in which the actor may do an action; none says that it
// is the whole tenant.
func (a Actor) Reach(action Action) []string {
	var areas []string
	for _, r := range policy[action] {
		if (r.scope == ofTenant || r.scope == ofAll) && a.holds(r.roles, "") {
			return nil
		}
		areas = append(areas, a.Areas(r.roles...)...)
	}
	slices.Sort(areas)
	return slices.Compact(areas)
}

// Actions lists every action in the policy table.
func Actions() []Action {
	var all []Action
	for a := range policy {
		all = append(all, a)
	}
	slices.Sort(all)
	return all
}

// RolesFor lists the roles that may ever do an action.
func RolesFor(action Action) []Role {
	var roles []Role
	for _, r := range policy[action] {
		roles = append(roles, r.roles...)
	}
	return roles
}

// The actions. What each does is said at the workflow method of that name.
const (
	TenantRead    Action = "tenant.read"
	ReportSubmit  Action = "report.submit"
	ReceiptOpen   Action = "receipt.open"
	ReceiptRead   Action = "receipt.read"
	ReceiptWrite  Action = "receipt.write" // message, evidence, withdraw, object, close
	AwardClaim    Action = "award.claim"
	CallTake      Action = "call.take"   // register what a caller says
	UploadSend    Action = "upload.send" // pieces of what was announced
	SessionOpen   Action = "session.open"
	SessionUse    Action = "session.use"
	ReportList    Action = "report.list"
	ReportRead    Action = "report.read"
	ReportDecide  Action = "report.decide" // accept, refuse, target, brief, assign, release, reply
	ReportSign    Action = "report.sign"   // conclude
	ReportBrief   Action = "report.brief"  // read what the desk made of it, nothing of the sender's
	ReportRecheck Action = "report.recheck"
	ReportHold    Action = "report.hold" // set and lift
	TaskCreate    Action = "task.create"
	TaskOversee   Action = "task.oversee"
	TaskWork      Action = "task.work" // list, see, acknowledge, result
	VisitFile     Action = "visit.file"
	VisitList     Action = "visit.list"
	VisitRead     Action = "visit.read"
	FiguresRead   Action = "figures.read" // of the office, nothing suppressed

	ResultsPrepare Action = "results.prepare"
	ResultsRelease Action = "results.release"
	ResultsRead    Action = "results.read"

	LeadRead      Action = "lead.read"
	LeadDecide    Action = "lead.decide" // ring B
	HazardWork    Action = "hazard.work"
	HazardRead    Action = "hazard.read"
	PenaltyWork   Action = "penalty.work"
	PenaltySign   Action = "penalty.sign"
	PenaltyRead   Action = "penalty.read"
	AwardDraft    Action = "award.draft"
	AwardReview   Action = "award.review"
	AwardApprove  Action = "award.approve"
	AwardRead     Action = "award.read"
	PayoutDraw    Action = "payout.draw"
	PayoutConfirm Action = "payout.confirm"
	PayoutRead    Action = "payout.read"
	BudgetSet     Action = "budget.set"
	BudgetRead    Action = "budget.read"
	OpeningAsk    Action = "opening.ask" // for any purpose; each is an action of its own
	OpeningRead   Action = "opening.read"
	OpeningPeel   Action = "opening.peel"   // ring B
	OpeningFinish Action = "opening.finish" // ring A
	OpeningDeny   Action = "opening.deny"   // either ring
	AdminRead     Action = "admin.read"     // people, proposals, policy; never a case
	AdminChange   Action = "admin.change"
	RingRead      Action = "ring.read"
	RingKeep      Action = "ring.keep"      // create, enrol, leave: by the officers of both rings
	EnvelopeCheck Action = "envelope.check" // ring B
	LogRead       Action = "log.read"       // checkpoints and tiles

	EvidenceHold   Action = "evidence.hold"   // legal hold, and lifting it
	EvidenceExport Action = "evidence.export" // an archive for a court, with the days on which items came

	ApprovalGive Action = "approval.give" // ring B gives and revokes
	ApprovalRead Action = "approval.read"
	ContactTake  Action = "contact.take" // ring A: take, hand over, state the outcome
	ContactRead  Action = "contact.read"

	OpeningAskPayment  Action = "opening.ask_payment"
	OpeningAskCallBack Action = "opening.ask_call_back"
	OpeningAskJustice  Action = "opening.ask_justice"
	OpeningAskArchive  Action = "opening.ask_archive"
)

// policy is the table, by surface.
var policy = map[Action][]rule{
	TenantRead:   {{ofAll, []Role{Anyone}}},
	ReportSubmit: {{ofAll, []Role{Anyone}}},
	ReceiptOpen:  {{ofAll, []Role{Anyone}}},
	SessionOpen:  {{ofAll, []Role{Anyone}}},
	LogRead:      {{ofAll, []Role{Anyone}}},
	ReceiptRead:  {{ofOwn, []Role{ReceiptHolder}}},
	ReceiptWrite: {{ofOwn, []Role{ReceiptHolder}}},
	AwardClaim:   {{ofOwn, []Role{ReceiptHolder}}},
	SessionUse:   {{ofAll, StaffRoles()}},

	ReportList:   {{ofArea, []Role{DeskOfficer}}},
	ReportRead:   {{ofArea, []Role{DeskOfficer}}},
	ReportDecide: {{ofArea, []Role{DeskOfficer}}},
	ReportSign:   {{ofArea, []Role{Leader}}},
	ReportBrief:  {{ofArea, []Role{Leader, RewardOfficer, DeskOfficer}}},

	ReportHold:    {{ofArea, []Role{Leader}}},
	ReportRecheck: {{ofArea, []Role{Supervisor}}}, // the level above (R10)

	UploadSend: {{ofOwn, []Role{ReceiptHolder}}, {ofAssigned, []Role{Inspector, Enforcer}}, {ofArea, []Role{DeskOfficer}}},

	CallTake: {{ofAll, []Role{HotlineOperator}}},

	EvidenceExport: {{ofArea, []Role{DeskOfficer}}},
	EvidenceHold:   {{ofArea, []Role{Leader}}},

	TaskCreate:  {{ofArea, []Role{TownshipOfficer, DeskOfficer}}},
	TaskOversee: {{ofArea, []Role{TownshipOfficer, DeskOfficer}}},
	TaskWork:    {{ofAssigned, []Role{Inspector, Enforcer}}},

	VisitFile: {{ofAssigned, []Role{Enforcer}}},
	VisitList: {{ofArea, []Role{DeskOfficer, Leader}}},
	VisitRead: {{ofArea, []Role{DeskOfficer, Leader}}, {ofAssigned, []Role{Enforcer}}},

	FiguresRead: {{ofTenant, []Role{DeskOfficer, Leader}}},

	ResultsPrepare: {{ofArea, []Role{DeskOfficer}}},
	ResultsRelease: {{ofArea, []Role{Leader}}},
	ResultsRead:    {{ofArea, []Role{DeskOfficer, Leader}}},

	LeadRead:   {{ofArea, []Role{DeskOfficer, SealLeader}}},
	LeadDecide: {{ofArea, []Role{SealLeader}}},

	HazardWork: {{ofArea, []Role{Enforcer}}},
	HazardRead: {{ofArea, []Role{Enforcer, Leader, DeskOfficer, TownshipOfficer}}},

	PenaltyWork: {{ofArea, []Role{Enforcer}}},
	PenaltySign: {{ofArea, []Role{Leader}}},
	PenaltyRead: {{ofArea, []Role{Enforcer, Leader, DeskOfficer}}},

	AwardDraft:   {{ofArea, []Role{RewardOfficer}}},
	AwardReview:  {{ofArea, []Role{RewardOfficer}}},
	AwardApprove: {{ofArea, []Role{Leader}}},
	AwardRead:    {{ofArea, []Role{RewardOfficer, Leader, Payer}}},

	PayoutDraw:    {{ofArea, []Role{Payer}}},
	PayoutConfirm: {{ofArea, []Role{Payer, Leader}}},
	PayoutRead:    {{ofArea, []Role{Payer, Leader}}},

	BudgetSet:  {{ofTenant, []Role{Leader}}},
	BudgetRead: {{ofTenant, []Role{Leader, RewardOfficer, Payer}}},

	OpeningAsk:         {{ofArea, []Role{RewardOfficer, DeskOfficer, Leader}}},
	OpeningAskPayment:  {{ofArea, []Role{RewardOfficer}}},
	OpeningAskCallBack: {{ofArea, []Role{DeskOfficer}}},
	OpeningAskJustice:  {{ofArea, []Role{Leader}}},
	OpeningAskArchive:  {{ofArea, []Role{Leader}}},

	OpeningRead:   {{ofArea, []Role{RewardOfficer, DeskOfficer, Leader}}, {ofTenant, []Role{IdentityOfficer, SealLeader}}},
	OpeningPeel:   {{ofTenant, []Role{SealLeader}}},
	OpeningFinish: {{ofTenant, []Role{IdentityOfficer}}},
	OpeningDeny:   {{ofTenant, []Role{SealLeader, IdentityOfficer}}},

	ApprovalGive: {{ofTenant, []Role{SealLeader}}},
	ApprovalRead: {{ofTenant, []Role{SealLeader, IdentityOfficer}}},
	ContactTake:  {{ofTenant, []Role{IdentityOfficer}}},
	ContactRead:  {{ofTenant, []Role{SealLeader, IdentityOfficer}}},

	AdminRead:     {{ofTenant, []Role{Administrator}}},
	AdminChange:   {{ofTenant, []Role{Administrator}}},
	RingRead:      {{ofTenant, []Role{SealLeader, IdentityOfficer}}},
	RingKeep:      {{ofTenant, []Role{SealLeader, IdentityOfficer}}},
	EnvelopeCheck: {{ofTenant, []Role{SealLeader}}},
}
