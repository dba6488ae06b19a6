// Second is a second implementation of the ledger's formats, written from docs/formats alone.
//
//	second vectors DIRECTORY FILE...              one verdict for each row of the vector files
//	second log DIRECTORY VOCABULARY               what stands in a small log, proven from its root
//	second bundle FILE VKEY GENESIS VOCABULARY    what is found in an evidence bundle
//	second draw DESIGN SEED                       the root of the list drawn from both
//
// It prints JSON. A verdict is "agrees", or says in what the program and the vector differ.
package main

import (
	"encoding/json"
	"fmt"
	"os"
)

func main() {
	var said any
	var err error
	switch {
	case len(os.Args) > 3 && os.Args[1] == "vectors":
		said, err = judge(os.Args[2], os.Args[3:])
	case len(os.Args) == 4 && os.Args[1] == "log":
		said, err = readLog(os.Args[2], os.Args[3])
	case len(os.Args) == 6 && os.Args[1] == "bundle":
		said, err = readEvidence(os.Args[2], os.Args[3], os.Args[4], os.Args[5])
	case len(os.Args) == 4 && os.Args[1] == "draw":
		said, err = drawnRoot(os.Args[2], os.Args[3])
	default:
		err = fmt.Errorf("usage: second vectors, log, bundle or draw, see the head of main.go")
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	out, _ := json.MarshalIndent(said, "", " ")
	fmt.Println(string(out))
}
