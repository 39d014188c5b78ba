package web

import (
	"encoding/json"
	"flag"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gridwatch/schemas"
	"gridwatch/server/fault"
)

var update = flag.Bool("update", false, "write the golden files anew")

func TestProblems(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		of   *fault.Fault
		bad  []schemas.Violation
	}{
		{"absent", fault.Absent(), nil},
		{"absent, another code", fault.New(fault.NotFound, "task.gone", "no task").At("/task"), nil},
		{"with a field", fault.New(fault.Invalid, "place.no_fix", "0, 0 is what a device without a position gives").At("/place/lon"), nil},
		{"of a noun", fault.New(fault.Conflict, "report.move", `"accept" is not possible while the report is "CLOSED"`), nil},
		{"without a Chinese text", fault.New(fault.Conflict, "no.text", "what would be right"), nil},
		{"not signed in", errSession(), nil},
		{"too large", errTooLarge(), nil},
		{"stalled", errStalled(), nil},
		{"unsupported", fault.New(fault.Unsupported, "body.encoded", "the body is not compressed: no Content-Encoding"), nil},
		{"busy", fault.New(fault.Busy, "server.busy", "the server is busy; try again with the same key"), nil},
		{"internal", fault.New(fault.Internal, "server.internal", "internal error"), nil},
		{"body", (&bodyError{}).fault(), []schemas.Violation{
			{Field: "/name", Code: "body.too_long", Want: 4, EN: "at most 4 characters", ZH: "不得超过 4 个字符"},
			{Field: "/at", Code: "body.required", EN: "this field is required", ZH: "此项必填"},
		}},
	}
	got := map[string]map[Lang]Problem{}
	for _, tt := range tests {
		got[tt.name] = map[Lang]Problem{ZH: problemOf(tt.of, ZH, tt.bad...), EN: problemOf(tt.of, EN, tt.bad...)}
	}
	text, err := json.MarshalIndent(got, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	const golden = "testdata/problems.json"
	if *update {
		if err := os.WriteFile(golden, append(text, '\n'), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(text)+"\n"); diff != "" {
		t.Error(diff)
	}
}

func TestLanguages(t *testing.T) {
	t.Parallel()
	r := start(t, Deps{})
	for accept, want := range map[string]Lang{
		"": ZH, "*": ZH, "zh-CN,zh;q=0.9,en;q=0.8": ZH, "zh-TW": ZH, "zh": ZH, "en": EN, "en-GB,zh;q=0.5": EN,
		"en;q=0.2,zh-CN;q=0.9": ZH, "!!!": ZH,
	} {
		got := r.ask("GET", "/nothing", nil, "Accept-Language", accept)
		if got.header.Get("Content-Language") != string(want) || got.header.Get("Content-Type") != "application/problem+json" {
			t.Errorf("%.20q: got %v, want %s", accept, got.header, want)
		}
	}
}

// Every code that the source makes a Fault of has a Chinese text, and every
// text belongs to a code. To add one: write it into texts.json, in order.
func TestEveryCodeHasAText(t *testing.T) {
	t.Parallel()
	zh := map[string]string{}
	if err := json.Unmarshal(textsJSON, &zh); err != nil {
		t.Fatal(err)
	}
	made := map[string]bool{}
	for _, root := range []string{"../../server", "../../mobileapi"} {
		err := filepath.WalkDir(root, func(path string, _ fs.DirEntry, err error) error {
			if os.IsNotExist(err) && path == root {
				return nil
			}
			if err != nil || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
			if err != nil {
				return err
			}
			ast.Inspect(file, func(n ast.Node) bool {
				codesOf(n, made)
				return true
			})
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if len(made) < 50 {
		t.Fatalf("got %d codes only: the walk is broken", len(made))
	}
	for code := range made {
		if zh[code] == "" {
			t.Errorf("%s has no text in texts.json", code)
		}
	}
	for code := range zh {
		if !made[code] {
			t.Errorf("%s is in texts.json and made nowhere", code)
		}
	}
}

// codesOf adds the codes of a node: the second argument of fault.New, the first
// of a helper called invalid, what follows a kind in a row of a table.
func codesOf(n ast.Node, into map[string]bool) {
	switch n := n.(type) {
	case *ast.CallExpr:
		switch fun := n.Fun.(type) {
		case *ast.SelectorExpr:
			if isFault(fun) && fun.Sel.Name == "New" && len(n.Args) >= 3 {
				addCode(n.Args[1], into)
			}
		case *ast.Ident:
			if fun.Name == "New" && len(n.Args) >= 3 { // in package fault itself
				addCode(n.Args[1], into)
			}
			if fun.Name == "invalid" && len(n.Args) >= 2 {
				addCode(n.Args[0], into)
			}
		}
	case *ast.CompositeLit:
		for i := 1; i < len(n.Elts); i++ {
			if kind, ok := n.Elts[i-1].(*ast.SelectorExpr); ok && isFault(kind) {
				addCode(n.Elts[i], into)
			}
		}
	}
}

func isFault(sel *ast.SelectorExpr) bool {
	pkg, ok := sel.X.(*ast.Ident)
	return ok && pkg.Name == "fault"
}

func addCode(code ast.Expr, into map[string]bool) {
	prefix := ""
	if sum, ok := code.(*ast.BinaryExpr); ok { // noun + ".problem"
		code, prefix = sum.Y, "*"
	}
	if lit, ok := code.(*ast.BasicLit); ok && lit.Kind == token.STRING {
		if text, err := strconv.Unquote(lit.Value); err == nil && strings.Contains(text, ".") {
			into[prefix+text] = true
		}
	}
}
