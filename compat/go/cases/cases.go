// Package cases runs named cases and prints one line for each, as compat/README.md asks of every suite.
package cases

import (
	"fmt"
	"math/rand"
	"os"
	"strings"
	"time"
)

// Bootstrap is the address of the broker under test.
var Bootstrap = os.Getenv("COMPAT_BOOTSTRAP")

// Case is one case; an error is its failure.
type Case struct {
	Name string
	Run  func() error
}

var run = fmt.Sprintf("%x", time.Now().UnixMilli()%100_000_000)
var names int

// FreshName is a name that no other case uses.
func FreshName(prefix string) string {
	names++
	return fmt.Sprintf("%s-%s-%d", prefix, run, names)
}

// Main runs every case whose name holds COMPAT_CASE, and exits.
func Main(all []Case) {
	only := os.Getenv("COMPAT_CASE")
	failed := 0
	for _, c := range all {
		if !strings.Contains(c.Name, only) {
			continue
		}
		started := time.Now()
		if err := c.Run(); err != nil {
			failed++
			fmt.Printf("not ok %s: %s\n", c.Name, strings.Join(strings.Fields(err.Error()), " "))
		} else {
			fmt.Printf("ok %s\n", c.Name)
		}
		fmt.Fprintf(os.Stderr, "%s took %v\n", c.Name, time.Since(started).Round(time.Millisecond))
	}
	if failed > 0 {
		os.Exit(1)
	}
	os.Exit(0)
}

// Eventually asks again until the condition holds; an error after 20 seconds.
func Eventually(what string, condition func() bool) error {
	deadline := time.Now().Add(20 * time.Second)
	for !condition() {
		if time.Now().After(deadline) {
			return fmt.Errorf("did not happen within 20 s: %s", what)
		}
		time.Sleep(20 * time.Millisecond)
	}
	return nil
}

// Equal is an error unless the two print the same.
func Equal(expected, actual any, what string) error {
	if fmt.Sprint(expected) != fmt.Sprint(actual) {
		return fmt.Errorf("%s: expected %v, got %v", what, expected, actual)
	}
	return nil
}

// Noise is bytes that do not compress and are the same in every run.
func Noise(length int, seed int64) []byte {
	data := make([]byte, length)
	rand.New(rand.NewSource(seed)).Read(data)
	return data
}
