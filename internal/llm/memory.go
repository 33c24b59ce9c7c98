package llm

import (
	"container/list"
	"context"
	"sync"
)

// memoryBytes bounds the replies kept in memory: some ten thousand of a judge.
const memoryBytes = 32 << 20

// memoryStore keeps the newest replies in memory.
type memoryStore struct {
	mu      sync.Mutex
	entries map[string]*list.Element
	order   *list.List // of memoryEntry, oldest first
	bytes   int
}

type memoryEntry struct {
	id string
	entry
}

func newMemoryStore() *memoryStore {
	return &memoryStore{entries: map[string]*list.Element{}, order: list.New()}
}

func (m *memoryStore) get(id string) (entry, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	el, ok := m.entries[id]
	if !ok {
		return entry{}, false
	}
	return el.Value.(memoryEntry).entry, true
}

func (m *memoryStore) put(_ context.Context, id string, e entry) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if old, ok := m.entries[id]; ok {
		m.remove(old)
	}
	m.entries[id] = m.order.PushBack(memoryEntry{id: id, entry: e})
	m.bytes += m.size(id, e)
	for m.bytes > memoryBytes {
		m.remove(m.order.Front())
	}
}

func (m *memoryStore) remove(el *list.Element) {
	old := m.order.Remove(el).(memoryEntry)
	delete(m.entries, old.id)
	m.bytes -= m.size(old.id, old.entry)
}

// size is what an entry takes, with about 256 bytes of our own.
func (m *memoryStore) size(id string, e entry) int {
	return len(id) + len(e.Content) + len(e.Model) + 256
}
