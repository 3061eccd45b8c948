export default function TablePage() {
  return <p>To come</p>;
}
