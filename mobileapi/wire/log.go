package wire

// Checkpoint is the log's public state on one day: a signed note (C2SP) of its
// size, its root and the day.
type Checkpoint struct {
	Note string `json:"note"`
}

// Tile is 256 hashes of 32 bytes of one level of the log's tree.
type Tile struct {
	Hashes []byte `json:"hashes"`
}
