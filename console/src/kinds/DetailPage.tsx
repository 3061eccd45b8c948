export default function DetailPage() {
  return <p>To come</p>;
}
