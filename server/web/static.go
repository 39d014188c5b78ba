package web

import (
	"fmt"
	"io/fs"
	"path"
	"strings"

	"github.com/gofiber/fiber/v2"
)

// pagePolicy lets a page use its own script and style sheet and ask this server;
// it loads nothing else, sends no form by itself and stands in no frame.
const pagePolicy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// Page serves the files of a page under a path that ends with a slash, its
// index.html at the path itself. Files but that one have names that change with
// their content: a browser keeps them. They are no routes: they say the same to
// everyone, and nothing is counted or logged of who reads them.
func (s *Server) Page(at string, files fs.FS) error {
	types := map[string]string{".html": fiber.MIMETextHTMLCharsetUTF8, ".js": fiber.MIMETextJavaScriptCharsetUTF8, ".css": "text/css; charset=utf-8"}
	entries, err := fs.ReadDir(files, ".")
	if err != nil {
		return fmt.Errorf("page %s: %w", at, err)
	}
	for _, e := range entries {
		content, err := fs.ReadFile(files, e.Name())
		if err != nil {
			return fmt.Errorf("page %s: %w", at, err)
		}
		media, ok := types[path.Ext(e.Name())]
		if !ok {
			return fmt.Errorf("page %s: %s is of no known type", at, e.Name())
		}
		name, keep := e.Name(), "public, max-age=31536000, immutable"
		if name == "index.html" {
			name, keep = "", "no-cache"
		}
		s.app.Get(strings.TrimSuffix(at, "/")+"/"+name, func(c *fiber.Ctx) error {
			c.Set(fiber.HeaderContentSecurityPolicy, pagePolicy)
			c.Set(fiber.HeaderCacheControl, keep)
			c.Set(fiber.HeaderContentType, media)
			return c.Send(content)
		})
	}
	return nil
}
