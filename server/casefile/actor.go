package casefile

import (
	"slices"
	"strings"
	"time"
)

// Role is what a post lets a person do.
type Role string

// The roles of staff, and two that need no account.
const (
	Anyone          Role = "anyone"           // a caller without credentials
	ReceiptHolder   Role = "receipt_holder"   // the reporter, known by the receipt code only
	HotlineOperator Role = "hotline_operator" // 12350 接线员
	Inspector       Role = "inspector"        // grid inspector (网格员); never inspects in the legal sense
	DeskOfficer     Role = "desk_officer"     // accepts and assigns (受理)
	TownshipOfficer Role = "township_officer" // follows up below the county (乡镇应急办)
	Enforcer        Role = "enforcer"         // enforcement officer (执法人员) with a certificate
	Leader          Role = "leader"           // signs conclusions, decisions, awards (负责人)
	RewardOfficer   Role = "reward_officer"   // calculates and files awards
	Payer           Role = "payer"            // pays awards (财务)
	IdentityOfficer Role = "identity_officer" // ring A (保密员)
	SealLeader      Role = "seal_leader"      // ring B, supervising leader (监督领导)
	Supervisor      Role = "supervisor"       // level above: figures and listings
	Administrator   Role = "administrator"    // people, areas, policies; no case content
	Auditor         Role = "auditor"          // reads and verifies the log
)

// StaffRoles lists every role a post can have.
func StaffRoles() []Role {
	return []Role{
		HotlineOperator, Inspector, DeskOfficer, TownshipOfficer, Enforcer, Leader, RewardOfficer,
		Payer, IdentityOfficer, SealLeader, Supervisor, Administrator, Auditor,
	}
}

// Post (岗位) is a role in an area for a time.
type Post struct {
	Role Role       `bson:"role" json:"role"`
	Area string     `bson:"area" json:"area"` // 12- or 15-digit code; holds for what lies under it
	From time.Time  `bson:"from" json:"from"`
	To   *time.Time `bson:"to" json:"to,omitempty"` // exclusive
}

// Certificate (行政执法证) lets an officer inspect and punish while it is valid
// (行政处罚法 art. 42; 国办发〔2024〕54号).
type Certificate struct {
	Number string    `bson:"number" json:"number"`
	From   time.Time `bson:"from" json:"from"`
	To     time.Time `bson:"to" json:"to"` // exclusive
}

// Valid says whether the certificate holds at a time.
func (c Certificate) Valid(at time.Time) bool {
	return c.Number != "" && !at.Before(c.From) && at.Before(c.To)
}

// Person is a member of staff. Label is a function ("demo inspector, 五棵树镇"), not necessarily a name.
type Person struct {
	ID           string        `bson:"_id" json:"id"`
	Tenant       string        `bson:"tenant" json:"tenant"`
	Login        string        `bson:"login" json:"login"`
	Label        string        `bson:"label" json:"label"`
	Posts        []Post        `bson:"posts" json:"posts"`
	Certificates []Certificate `bson:"certificates" json:"certificates"`
	Disabled     bool          `bson:"disabled" json:"disabled"`

	// Ties and Revision are not an import's to set: it leaves what is there.
	Ties     []Tie `bson:"ties,omitempty" json:"-"`     // for administrators and the person only
	Revision int64 `bson:"revision,omitempty" json:"-"` // of the newest decision carried out
}

// Certificate returns the certificate that is valid at a time, if one is.
func (p Person) Certificate(at time.Time) (Certificate, bool) {
	for _, c := range p.Certificates {
		if c.Valid(at) {
			return c, true
		}
	}
	return Certificate{}, false
}

// Holds says whether the person holds a role at a time over an area code.
func (p Person) Holds(role Role, area string, at time.Time) bool {
	return Actor{Tenant: p.Tenant, Person: p.ID, Posts: p.PostsAt(at)}.holds([]Role{role}, area)
}

// PostsAt returns the posts in force at a time.
func (p Person) PostsAt(at time.Time) []Post {
	var in []Post
	for _, post := range p.Posts {
		if !at.Before(post.From) && (post.To == nil || at.Before(*post.To)) {
			in = append(in, post)
		}
	}
	return in
}

// Actor is who asks for something: a person with the posts in force, the
// holder of a receipt, or anyone.
type Actor struct {
	Tenant  string
	Person  string // staff only
	Report  string // receipt holder only
	Receipt string // hash of the code that was shown; receipt holder only
	Posts   []Post // staff only
	Ties    []Tie  // staff only
}

// Name is what a timeline says of the actor; a reporter has no name.
func (a Actor) Name() string {
	switch {
	case a.Person != "":
		return a.Person
	case a.Report != "":
		return string(ReceiptHolder)
	default:
		return string(Anyone)
	}
}

// Roles lists the actor's roles.
func (a Actor) Roles() []Role {
	switch {
	case a.Report != "":
		return []Role{ReceiptHolder}
	case a.Person == "":
		return []Role{Anyone}
	}
	var roles []Role
	for _, p := range a.Posts {
		if !slices.Contains(roles, p.Role) {
			roles = append(roles, p.Role)
		}
	}
	return roles
}

// Areas lists the areas in which the actor holds one of the roles.
func (a Actor) Areas(roles ...Role) []string {
	var areas []string
	for _, p := range a.Posts {
		if slices.Contains(roles, p.Role) && !slices.Contains(areas, p.Area) {
			areas = append(areas, p.Area)
		}
	}
	return areas
}

// holds says whether one of the roles is held over an area; an empty area asks for the role alone.
func (a Actor) holds(roles []Role, area string) bool {
	for _, p := range a.Posts {
		if slices.Contains(roles, p.Role) && (area == "" || Under(area, p.Area)) {
			return true
		}
	}
	return false
}

// Under says whether an area or grid code lies in another area or is that area:
// the zeros that fill a 12-digit statistics code up do not count. Nothing lies
// under an empty code.
func Under(code, area string) bool {
	return area != "" && strings.HasPrefix(code, AreaPrefix(area))
}

// AreaPrefix returns the part of a 12-digit statistics code that its
// subordinate codes share: 2, 4, 6, 9 or 12 digits.
func AreaPrefix(area string) string {
	if len(area) != 12 {
		return area
	}
	for _, n := range []int{2, 4, 6, 9} {
		if strings.Trim(area[n:], "0") == "" {
			return area[:n]
		}
	}
	return area
}
