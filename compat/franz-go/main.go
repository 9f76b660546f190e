// Black-box suite: franz-go, the client that speaks the newest protocol versions of all.
package main

import (
	"fmt"
	"os"
	"strings"
	"time"
)

type testCase struct {
	name string
	run  func() error
}

var run = fmt.Sprintf("%x", time.Now().UnixMilli()%100_000_000)
var names int

// freshName is a topic name that no other case uses.
func freshName(prefix string) string {
	names++
	return fmt.Sprintf("%s-%s-%d", prefix, run, names)
}

func main() {
	only := os.Getenv("COMPAT_CASE")
	failed := 0
	for _, c := range allCases() {
		if !strings.Contains(c.name, only) {
			continue
		}
		if err := c.run(); err != nil {
			failed++
			fmt.Printf("not ok %s: %s\n", c.name, strings.Join(strings.Fields(err.Error()), " "))
		} else {
			fmt.Printf("ok %s\n", c.name)
		}
	}
	if failed > 0 {
		os.Exit(1)
	}
}
