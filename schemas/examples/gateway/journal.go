package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"os"
	"sync"
)

// journal keeps the results of requests, by id. It holds nothing of a contact.
type journal struct {
	mu   sync.Mutex
	f    *os.File
	done map[string]string
}

type entry struct {
	ID     string `json:"id"`
	Result string `json:"result"`
}

// openJournal reads what is there; a last line that broke off is no entry.
func openJournal(path string) (*journal, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	j := &journal{f: f, done: map[string]string{}}
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		var e entry
		if json.Unmarshal(lines.Bytes(), &e) == nil {
			j.done[e.ID] = e.Result
		}
	}
	if err := lines.Err(); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return j, nil
}

func (j *journal) result(id string) (string, bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	result, ok := j.done[id]
	return result, ok
}

// keep writes a result to the disk before it is answered. A line begins with a
// line feed, so that one that broke off spoils no other.
func (j *journal) keep(id, result string) error {
	line, err := json.Marshal(entry{ID: id, Result: result})
	if err != nil {
		return err
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if _, err := j.f.Write(append([]byte("\n"), append(line, '\n')...)); err != nil {
		return err
	}
	if err := j.f.Sync(); err != nil {
		return err
	}
	j.done[id] = result
	return nil
}

// Close ends the journal.
func (j *journal) Close() error { return j.f.Close() }
