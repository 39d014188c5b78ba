// Package schemes holds the reward schemes (奖励办法) that ship with the
// program, one JSON file a scheme. What a field means and which values it may
// take is said in package gridwatch/server/reward, which also checks them.
package schemes

import "embed"

// Files are the scheme files, *.json.
//
//go:embed *.json
var Files embed.FS
