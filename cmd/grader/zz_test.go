package main
import ("testing";"net/http/httptest";"net/http";"github.com/vivagrader/grader/internal/judge/judgetest";"io";"bytes";"strings";"os")
func TestZZ(t *testing.T){
 d,_:=newDesk(t,105,judgetest.Options{},func(n http.Handler)http.Handler{return http.HandlerFunc(func(w http.ResponseWriter,r *http.Request){
  b,_:=io.ReadAll(r.Body); r.Body=io.NopCloser(bytes.NewReader(b))
  rec:=httptest.NewRecorder(); n.ServeHTTP(rec,r); 
  if strings.Contains(string(b),"reask"+`\"`) { os.WriteFile("/tmp/reask.json",b,0o600); os.WriteFile("/tmp/reaskr.json",rec.Body.Bytes(),0o600) }
  w.Header().Set("Content-Type","application/json"); w.Write(rec.Body.Bytes())
 })})
 d.summary("o.jsonl")
}
