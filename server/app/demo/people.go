package demo

import (
	"fmt"
	"time"

	"gridwatch/server/casefile"
	"gridwatch/server/grid"
)

// member is a member of staff as the demo writes it down.
type member struct {
	login, label string
	role         casefile.Role
	area         grid.Code
	certificate  bool
	expired      bool // the certificate
}

// newYear is a day on which the demo's posts and certificates begin or end.
func newYear(year int) time.Time { return time.Date(year, 1, 1, 0, 0, 0, 0, time.UTC) }

func (m member) person(tenant string) casefile.Person {
	p := casefile.Person{
		ID: tenant + "-" + m.login, Tenant: tenant, Login: m.login, Label: m.label,
		Posts:        []casefile.Post{{Role: m.role, Area: string(m.area), From: newYear(2020)}},
		Certificates: []casefile.Certificate{},
	}
	if m.certificate {
		c := casefile.Certificate{Number: "DEMO-" + m.login, From: newYear(2020), To: newYear(2040)}
		if m.expired {
			c.To = newYear(2024)
		}
		p.Certificates = append(p.Certificates, c)
	}
	return p
}

// roster is the staff of 榆树市（演示）.
func roster(known []grid.Area) []member {
	people := []member{
		{login: "hotline1", label: "demo hotline operator (12350 接线员)", role: casefile.HotlineOperator, area: county},
		{login: "desk1", label: "demo desk officer (受理)", role: casefile.DeskOfficer, area: county},
		{login: "desk2", label: "demo desk officer, second desk (受理)", role: casefile.DeskOfficer, area: county},
		{login: "township1", label: "demo township officer, 五棵树镇 (应急办)", role: casefile.TownshipOfficer, area: township},
		{login: "enforcer1", label: "demo enforcement officer (执法人员)", role: casefile.Enforcer, area: county, certificate: true},
		{login: "enforcer2", label: "demo enforcement officer, second (执法人员)", role: casefile.Enforcer, area: county, certificate: true},
		{login: "enforcer3", label: "demo enforcement officer, certificate expired (执法证过期)", role: casefile.Enforcer, area: county, certificate: true, expired: true},
		{login: "leader1", label: "demo leader (负责人)", role: casefile.Leader, area: county},
		{login: "leader2", label: "demo leader, second (负责人)", role: casefile.Leader, area: county},
		{login: "reward1", label: "demo reward officer (奖励经办)", role: casefile.RewardOfficer, area: county},
		{login: "reward2", label: "demo reward officer, second (奖励复核)", role: casefile.RewardOfficer, area: county},
		{login: "payer1", label: "demo payer (财务)", role: casefile.Payer, area: county},
		{login: "identity1", label: "demo identity officer, ring A (保密员)", role: casefile.IdentityOfficer, area: county},
		{login: "seal1", label: "demo supervising leader, ring B (监督领导)", role: casefile.SealLeader, area: county},
		{login: "supervisor1", label: "demo supervisor, level above (上级监督)", role: casefile.Supervisor, area: county},
		{login: "admin1", label: "demo administrator (管理员)", role: casefile.Administrator, area: county},
		{login: "auditor1", label: "demo auditor (审计)", role: casefile.Auditor, area: county},
	}
	return append(people, inspectors(known)...)
}

// inspectors (网格员): one over each of three townships, and one of their own
// for the first villages of 五棵树镇.
func inspectors(known []grid.Area) []member {
	const villages = 5
	var people []member
	add := func(area grid.Code, name string) {
		people = append(people, member{
			login: fmt.Sprintf("inspector%d", len(people)+1), label: "demo inspector, " + name + " (网格员)",
			role: casefile.Inspector, area: area,
		})
	}
	own := 0
	for _, a := range known {
		switch {
		case a.Code == township, a.Code == "220182101000", a.Code == "220182102000":
			add(a.Code, a.Name)
		case a.Parent == township && own < villages:
			own++
			add(a.Code, "五棵树镇 "+a.Name)
		}
	}
	return people
}

// neighbourRoster is the staff of 德惠市（演示）, without custody but for the keys.
func neighbourRoster() []member {
	return []member{
		{login: "desk1", label: "demo desk officer of the neighbour (受理)", role: casefile.DeskOfficer, area: neighbours},
		{login: "identity1", label: "demo identity officer of the neighbour, ring A (保密员)", role: casefile.IdentityOfficer, area: neighbours},
		{login: "seal1", label: "demo supervising leader of the neighbour, ring B (监督领导)", role: casefile.SealLeader, area: neighbours},
	}
}
