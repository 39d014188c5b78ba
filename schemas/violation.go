package schemas

import (
	"fmt"
	"math/big"
	"strconv"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"
)

// Violation is one thing that is wrong with a body.
type Violation struct {
	Field string // JSON pointer (RFC 6901) to the value at fault, "" for the whole body
	Code  string // stable, body.problem
	Want  any    // what would be right, for programs: a bound, a list of values, a format; nil if there is no more to say
	EN    string // what would be right, in English
	ZH    string // the same in Chinese

	path []string
}

// texts says for each code what would be right; %v is Want.
var texts = map[string][2]string{
	"body.syntax":        {"the body is one JSON value and nothing after it", "请求正文须为一个 JSON 值，其后不得有其他内容"},
	"body.encoding":      {"text is UTF-8 without NUL characters", "文本须为 UTF-8 编码，且不含 NUL 字符"},
	"body.duplicate_key": {"a key stands once in an object", "同一对象中字段名不得重复"},
	"body.depth":         {"values are nested at most %v deep", "嵌套层数不得超过 %v 层"},
	"body.number":        {"a number has at most 40 characters and fits a 64-bit float", "数字不得超过 40 个字符，且须在双精度范围内"},
	"body.required":      {"this field is required", "此项必填"},
	"body.unknown_field": {"the object has fields that are not known here", "对象含有未知字段"},
	"body.type":          {"the type is one of %v", "类型须为 %v"},
	"body.enum":          {"the value is one of %v", "取值须为 %v 之一"},
	"body.format":        {"the form is %v", "格式须为 %v"},
	"body.too_long":      {"at most %v characters", "不得超过 %v 个字符"},
	"body.too_short":     {"at least %v characters", "不得少于 %v 个字符"},
	"body.range":         {"a number %v", "数值须 %v"},
	"body.multiple":      {"a multiple of %v", "须为 %v 的整数倍"},
	"body.too_many":      {"at most %v items", "不得超过 %v 项"},
	"body.too_few":       {"at least %v items", "不得少于 %v 项"},
	"body.not_unique":    {"no two items are equal", "各项不得重复"},
	"body.not_possible":  {"the value does not fit the other fields", "此值与其他字段不符"},
}

func newViolation(field, code string, want any) Violation {
	v := Violation{Field: field, Code: code, Want: want, EN: texts[code][0], ZH: texts[code][1]}
	if want != nil {
		v.EN, v.ZH = fmt.Sprintf(v.EN, want), fmt.Sprintf(v.ZH, want)
	}
	return v
}

// classify turns a validator's finding into a code of ours and what would be right.
func classify(k jsonschema.ErrorKind) (string, any) {
	switch k := k.(type) {
	case *kind.Type:
		return "body.type", k.Want
	case *kind.Enum:
		return "body.enum", k.Want
	case *kind.Const:
		return "body.enum", []any{k.Want}
	case *kind.Format:
		return "body.format", k.Want
	case *kind.Pattern:
		return "body.format", k.Want
	case *kind.MaxLength:
		return "body.too_long", k.Want
	case *kind.MinLength:
		return "body.too_short", k.Want
	case *kind.Maximum:
		return "body.range", "<= " + number(k.Want)
	case *kind.ExclusiveMaximum:
		return "body.range", "< " + number(k.Want)
	case *kind.Minimum:
		return "body.range", ">= " + number(k.Want)
	case *kind.ExclusiveMinimum:
		return "body.range", "> " + number(k.Want)
	case *kind.MultipleOf:
		return "body.multiple", number(k.Want)
	case *kind.MaxItems:
		return "body.too_many", k.Want
	case *kind.MaxProperties:
		return "body.too_many", k.Want
	case *kind.MinItems:
		return "body.too_few", k.Want
	case *kind.MinProperties:
		return "body.too_few", k.Want
	case *kind.UniqueItems:
		return "body.not_unique", nil
	case *kind.AdditionalProperties, *kind.PropertyNames:
		return "body.unknown_field", nil
	default:
		return "body.not_possible", nil
	}
}

func number(r *big.Rat) string {
	f, _ := r.Float64()
	return strconv.FormatFloat(f, 'f', -1, 64)
}
